//! What the API and the console have in common: who sends a request and what their token allows, what is known of a
//! request while it is answered, and the counts that both show.
//!
//! Neither knows the other. Who signs in to the console and who sends a token to the API go through the same look-up, the
//! same cache and the same throttle ([`Authenticator`]), and the catalogue is counted once for both ([`SummaryCache`]).

mod authenticator;
mod cache;
mod client;
mod credentials;
mod error;
mod external_tokens;
mod findings;
mod local_tokens;
mod pairs;
mod request;
mod role;
mod steps;
mod summary;
mod throttle;

pub use authenticator::{Authenticator, AuthenticatorParts};
pub use client::{Client, Network, NotANetwork, is_host};
pub use credentials::{Credentials, PRIVATE_TOKEN};
pub use error::SignInError;
pub use findings::FindingsSelection;
pub use pairs::pairs;
pub use request::{Caller, LoggedCause, REQUEST_ID, RequestId};
pub use role::{Refusal, RequiredRole};
pub use steps::step;
pub use summary::{Snapshot, SummaryCache, in_state, of_kind};
