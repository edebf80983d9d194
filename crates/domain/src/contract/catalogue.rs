//! The suite of the port [`Catalogue`](crate::ports::Catalogue).

pub mod accepting;
pub mod imports;
pub mod limits;
pub mod look_ups;
pub mod pages;
