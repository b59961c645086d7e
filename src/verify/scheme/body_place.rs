//! Where a body has what is not like the rest of it, for those who store or change bodies.

use super::Scheme;
use super::signature_field::Place;
use super::value::Value;

/// A place in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyPlace<'s> {
    /// A JSON pointer into its document.
    Member(&'s str),
    /// A field of its form.
    Field(&'s str),
}

impl Scheme {
    /// Where a body has the sender's proof: the signature or the secret.
    pub fn proof_place(&self) -> Option<BodyPlace<'_>> {
        match &self.field.place {
            Place::Json(pointer) => Some(BodyPlace::Member(pointer)),
            Place::Form(field) => Some(BodyPlace::Field(field)),
            Place::Headers(_) | Place::Query(_) | Place::Body => None,
        }
    }

    /// Where a body has the type of its event.
    pub fn type_place(&self) -> Option<BodyPlace<'_>> {
        match self.event.type_value()? {
            Value::Json(pointer) => Some(BodyPlace::Member(pointer)),
            Value::Form(field) => Some(BodyPlace::Field(field)),
            _ => None,
        }
    }

    /// The field of a form that has the document.
    pub fn payload_field(&self) -> Option<&str> {
        self.payload.as_deref()
    }
}
