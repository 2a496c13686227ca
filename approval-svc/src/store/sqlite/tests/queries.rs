//! How queries are planned, and how much they look at.

use super::*;

#[tokio::test]
async fn listings_and_sweeps_are_served_by_indexes() {
    let harness = Sqlite::new();
    let connection = connect(&harness.folder.path().join("approvals.sqlite")).unwrap();
    let plan = |sql: &str| -> String {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let mut rows = statement.raw_query();
        let mut plan = String::new();
        while let Some(row) = rows.next().unwrap() {
            plan += &row.get::<_, String>(3).unwrap();
        }
        plan
    };
    let tenant = Query {
        tenant: Some("acme".into()),
        limit: 50,
        ..Query::default()
    };
    let own = Query {
        requester: Some(crate::fixture::person("alice")),
        ..tenant.clone()
    };
    let pending = Query {
        state: Some(State::Pending),
        ..tenant.clone()
    };
    let own_pending = Query {
        requester: own.requester.clone(),
        ..pending.clone()
    };
    for (query, index) in [
        (&tenant, "approvals_tenant"),
        (&own, "approvals_requester"),
        (&pending, "approvals_waiting"),
        (&own_pending, "approvals_pending"),
    ] {
        let plan = plan(&query::list_sql(query, None).0);
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{plan}");
    }
    for (query, index) in [(tenant, "approvals_tenant"), (own, "approvals_requester")] {
        let floor = plan(&query::floor_sql(&query, 9).0);
        assert!(floor.contains(&format!("COVERING INDEX {index}")), "{floor}");
        let query = Query {
            risk: Some(Risk::Red),
            after: Some(9),
            ..query
        };
        let plan = plan(&query::list_sql(&query, Some(1)).0);
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{plan}");
    }
    for (sql, index) in [(session::DUE, "approvals_due"), (session::READY, "approvals_dispatch")] {
        let plan = plan(sql);
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}

#[tokio::test]
async fn a_listing_of_few_among_many_looks_at_some_and_goes_on() {
    let harness = Sqlite::new();
    let store = harness.open(Terms::default()).await;
    for number in 0..10 {
        let risk = if number == 2 { Risk::Red } else { Risk::Green };
        store.create(draft(number, risk)).await.unwrap();
    }
    let red = Query {
        tenant: Some("acme".into()),
        risk: Some(Risk::Red),
        limit: 5,
        ..Query::default()
    };
    let own = Query {
        requester: Some(crate::fixture::person("alice")),
        ..red.clone()
    };
    let everything = Query {
        risk: None,
        ..red.clone()
    };
    for (query, expected) in [
        (red, vec![vec![], vec![3], vec![]]),
        (own, vec![vec![], vec![3], vec![]]),
        (everything, vec![vec![10, 9, 8, 7, 6], vec![5, 4, 3, 2, 1]]),
    ] {
        let (mut parts, mut after) = (Vec::new(), None);
        loop {
            let query = Query { after, ..query.clone() };
            let listing = store.read(move |connection| query::list(connection, &query, 4));
            let listing = listing.await.unwrap();
            parts.push(listing.listed.iter().map(|listed| listed.position).collect::<Vec<_>>());
            after = listing.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(parts, expected);
    }
}

#[tokio::test]
async fn looking_an_approval_up_is_planned_once() {
    let harness = Sqlite::new();
    let store = harness.open(Terms::default()).await;
    for number in 0..5 {
        store.create(draft(number, Risk::Green)).await.unwrap();
    }
    let counts = store.writer.write(|session| {
        let statement = session
            .connection
            .prepare_cached(&query::by_id_sql())
            .map_err(StoreError::from)?;
        let count = |status| statement.get_status(status);
        Ok((
            count(rusqlite::StatementStatus::Run),
            count(rusqlite::StatementStatus::RePrepare),
        ))
    });
    assert_eq!(counts.await.unwrap(), (5, 0));
}
