//! A question of an administrator's at home, asked of every edge at once: a partner meets them, not the home.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::line::Line;
use super::{Edges, LineError, Way};
use crate::control::answers::FromEdge;

impl Edges {
    /// What each says, in the order of the configuration; nobody waits for one that is silent.
    pub(crate) async fn ask<T: DeserializeOwned + Send + 'static>(
        &self,
        path: &'static str,
        question: &impl Serialize,
    ) -> Vec<FromEdge<T>> {
        self.ask_within(ANSWER_TIME, path, question).await
    }

    /// The same, of an answer for which the edge has to ask others first.
    pub(crate) async fn ask_within<T: DeserializeOwned + Send + 'static>(
        &self,
        patience: Duration,
        path: &'static str,
        question: &impl Serialize,
    ) -> Vec<FromEdge<T>> {
        let (Some(way), Ok(body)) = (self.way.get(), serde_json::to_vec(question)) else { return Vec::new() };
        let ask = |edge: String| {
            let (way, body, asked) = (way.clone(), body.clone(), edge.clone());
            (edge, tokio::spawn(async move { one(&way, &asked, (path, patience), body).await }))
        };
        let mut answers = Vec::new();
        for (edge, asked) in self.names().into_iter().map(ask).collect::<Vec<_>>() {
            let answered = asked.await.unwrap_or_else(|error| Err(LineError::Broken(error.to_string())));
            let (answer, failure) = match answered {
                Ok(answer) => (Some(answer), None),
                // It has nothing to say about that.
                Err(LineError::Refused { status: StatusCode::NOT_FOUND, .. }) => continue,
                Err(error) => (None, Some(error.to_string())),
            };
            answers.push(FromEdge { edge, answer, failure });
        }
        answers
    }
}

async fn one<T: DeserializeOwned>(
    way: &Way,
    edge: &str,
    (path, patience): (&'static str, Duration),
    body: Vec<u8>,
) -> Result<T, LineError> {
    let asked = async { Line::open(way, edge).await?.ask(Method::POST, path, body).await };
    let silent = |_| Err(LineError::Broken(format!("no answer within {} s", patience.as_secs())));
    timeout(patience, asked).await.unwrap_or_else(silent)
}

/// Somebody sits at a terminal.
const ANSWER_TIME: Duration = Duration::from_secs(4);
