//! What the connection must know of a request: whether its body has come, and when its answer is written.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::HttpMessage as _;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::{FutureExt as _, Stream, StreamExt as _};

use crate::connection::Exchange;

/// The body of a request, which its endpoint reads as it likes.
#[derive(Clone)]
pub(super) struct RequestBody(Rc<RefCell<Reading>>);

struct Reading {
    payload: Payload,
    has_ended: bool,
}

impl RequestBody {
    /// The body of a request, of which its endpoint gets a copy.
    pub(super) fn of(request: &mut ServiceRequest) -> Self {
        let payload = request.take_payload();
        let has_ended = matches!(payload, Payload::None);
        let body = Self(Rc::new(RefCell::new(Reading { payload, has_ended })));
        if !has_ended {
            request.set_payload(Payload::Stream { payload: Box::pin(body.clone()) });
        }
        body
    }

    /// Whether the whole body has come, with what is there but has not been read.
    pub(super) async fn has_come(mut self) -> bool {
        // What has come together with the head is handed over when the request has been looked at once.
        let mut has_looked_again = false;
        while !self.0.borrow().has_ended {
            match self.next().now_or_never() {
                Some(Some(Ok(_)) | None) => (),
                Some(Some(Err(_))) => return false,
                None if has_looked_again => return false,
                None => {
                    has_looked_again = true;
                    tokio::task::yield_now().await;
                }
            }
        }
        true
    }
}

impl Stream for RequestBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut reading = self.0.borrow_mut();
        let next = ready!(Pin::new(&mut reading.payload).poll_next(cx));
        reading.has_ended |= next.is_none();
        Poll::Ready(next)
    }
}

/// The answer, which ends the exchange when it is written.
pub(super) fn hold(exchange: Option<Exchange>, answer: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    match exchange {
        Some(exchange) => answer.map_body(|_, body| Held { body, exchange }.boxed()),
        None => answer,
    }
}

/// The body of an answer, with the exchange that lasts until it is written.
struct Held {
    body: BoxBody,
    exchange: Exchange,
}

impl MessageBody for Held {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        let Self { body, exchange } = self;
        body.try_into_bytes().map_err(|body| Self { body, exchange })
    }
}
