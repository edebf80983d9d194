//! What the suites need of an asynchronous runtime, without naming one.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

/// A future of a suite.
pub(crate) type Task<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Lets other tasks run.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Polls a future once; whether it has ended.
pub(crate) async fn poll_once<T>(mut task: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> bool {
    poll_fn(|context| Poll::Ready(task.as_mut().poll(context).is_ready())).await
}

/// Runs tasks at once; returns what they returned, in their order.
pub(crate) async fn at_once<T>(tasks: impl IntoIterator<Item = Task<'_, T>>) -> Vec<T> {
    let mut tasks: Vec<_> = tasks.into_iter().map(Running::Task).collect();
    poll_fn(|context| {
        let ready = tasks.iter_mut().map(|task| usize::from(task.is_ready(context))).sum::<usize>();
        if ready == tasks.len() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    tasks.into_iter().filter_map(Running::output).collect()
}

enum Running<'a, T> {
    Task(Task<'a, T>),
    Done(T),
}

impl<T> Running<'_, T> {
    fn is_ready(&mut self, context: &mut Context<'_>) -> bool {
        if let Self::Task(task) = self
            && let Poll::Ready(output) = task.as_mut().poll(context)
        {
            *self = Self::Done(output);
        }
        matches!(self, Self::Done(_))
    }

    fn output(self) -> Option<T> {
        match self {
            Self::Done(output) => Some(output),
            Self::Task(_) => None,
        }
    }
}

/// The next item of a stream.
pub(crate) async fn next<S: Stream + ?Sized>(stream: &mut Pin<Box<S>>) -> Option<S::Item> {
    poll_fn(|context| stream.as_mut().poll_next(context)).await
}

/// All items of a stream.
pub(crate) async fn collect<S: Stream + ?Sized>(mut stream: Pin<Box<S>>) -> Vec<S::Item> {
    let mut items = Vec::new();
    while let Some(item) = next(&mut stream).await {
        items.push(item);
    }
    items
}

/// A stream that has all its items already.
pub(crate) struct Iter<I>(I);

impl<I: Iterator> Iter<I> {
    pub(crate) fn new(items: impl IntoIterator<IntoIter = I>) -> Self {
        Self(items.into_iter())
    }
}

impl<I: Iterator + Unpin> Stream for Iter<I> {
    type Item = I::Item;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.get_mut().0.next())
    }
}
