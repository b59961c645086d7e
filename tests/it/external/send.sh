#!/usr/bin/env bash
# Sends like Docora and the bot, with curl and openssl. Usage: send.sh URL
set -euo pipefail
url=$1
now=$(date +%s)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

hmac() { # secret; text on standard input
    openssl dgst -sha256 -hmac "$1" -r | cut -d ' ' -f 1
}

# Posts $folder/body twice, the second time with its last byte changed. Usage: post CASE PATH HEADER…
post() {
    local case=$1 path=$2
    shift 2
    local headers=(-H 'content-type: application/json')
    for header in "$@"; do headers+=(-H "$header"); done
    local options=(--silent --noproxy '*' --max-time 30 --output /dev/null --write-out '%{http_code}')
    status=$(curl "${options[@]}" "${headers[@]}" --data-binary "@$folder/body" "$url$path")
    echo "$case $status"
    head --bytes=-1 "$folder/body" >"$folder/flipped"
    printf '|' >>"$folder/flipped"
    status=$(curl "${options[@]}" "${headers[@]}" --data-binary "@$folder/flipped" "$url$path")
    echo "$case flipped $status"
}

docora() { # action
    local signature
    signature=$({ printf '%s.' "$now" && cat "$folder/body"; } | hmac "$CARDS_SECRET")
    post "docora $1" "/hooks/cards/$1" \
        'X-Docora-App-Id: app_0123456789abcdef01234567' \
        "X-Docora-Timestamp: $now" "X-Docora-Signature: sha256=$signature"
}

repository='"repository":{"repository_id":"repo_0123456789abcdef01234567","github_url":"https://github.com/o/r","owner":"o","name":"r"}'
commit='"commit_sha":"0123456789abcdef0123456789abcdef01234567","timestamp":"2025-01-11T12:00:00.000Z"'

content='# Über 🏋️'
sha=$(printf '%s\n' "$content" | openssl dgst -sha256 -r | cut -d ' ' -f 1)
size=$(printf '%s\n' "$content" | wc -c | tr -d ' ')
printf '{%s,"file":{"path":"shell.md","sha":"%s","size":%s,"content":"%s\\n"},%s}' \
    "$repository" "$sha" "$size" "$content" "$commit" >"$folder/body"
docora create

printf '{%s,"file":{"path":"shell.md","sha":"%s"},%s}' "$repository" "$sha" "$commit" >"$folder/body"
docora delete

bot() { # form
    local guild=123456789012345678 nonce before signature prefix=
    nonce=$(openssl rand -hex 16)
    before="$now:$nonce:$guild:"
    if [ "$1" = native ]; then
        before="v2:api:$before"
        prefix=v2=
    fi
    signature=$({ printf '%s' "$before" && cat "$folder/body"; } | hmac "$BOT_SECRET")
    post "bot $1" /hooks/bot 'X-Service-Name: api' "X-Timestamp: $now" "X-Nonce: $nonce" \
        "X-Guild-Id: $guild" "X-Signature: $prefix$signature" "Authorization: Bearer $BOT_TOKEN"
}

printf '{"event":"post.submitted","id":"shell-compat"}' >"$folder/body"
bot compat
printf '{"event":"post.submitted","id":"shell-native"}' >"$folder/body"
bot native
