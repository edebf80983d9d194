//! Identifying tokens.

use super::AuthorityFixture;

pub async fn an_unknown_token_is_nobody(fixture: &AuthorityFixture) {
    assert_eq!(fixture.authority.identify(&fixture.unknown).await.unwrap(), None);
}

pub async fn an_administrator_is_the_same_each_time(fixture: &AuthorityFixture) {
    let identity = fixture.authority.identify(&fixture.administrator).await.unwrap().unwrap();
    assert!(identity.admin && identity.scope.is_some());
    assert_eq!(fixture.authority.identify(&fixture.administrator).await.unwrap(), Some(identity));
}
