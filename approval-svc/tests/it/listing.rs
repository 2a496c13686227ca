//! Listing: what a person sees, page by page.

use std::collections::BTreeSet;

use prost::Message as _;
use proto::{
    approval::v1::{GetApprovalRequest, ListApprovalsRequest},
    common::v1::ErrorReason,
};
use tonic::Code;
use warrant::Risk;

use crate::{
    authority::{NOW, token},
    fixture::{Setting, alice, as_person, assert_refused, bob, creation_of},
};

#[tokio::test]
async fn people_see_what_is_theirs_to_see() {
    let setting = Setting::new().await;
    for number in 1..=3 {
        setting.create(number, Risk::Amber).await;
    }
    let mut people = setting.people();
    let approval = setting.create(4, Risk::Green).await.approval.unwrap();
    let seen = [
        (alice(), 4),
        (bob(), 4),
        (token("carol", "acme", &["auditors"], "governance"), 4),
        (token("dave", "acme", &[], "governance"), 0),
        (token("mallory", "evil", &["auditors", "approvers"], "governance"), 0),
    ];
    for (token, count) in seen {
        let listed = people
            .list_approvals(as_person(ListApprovalsRequest::default(), &token))
            .await;
        assert_eq!(listed.unwrap().into_inner().approvals.len(), count);
        let name = approval.name.clone();
        let got = people
            .get_approval(as_person(GetApprovalRequest { name }, &token))
            .await;
        if count == 0 {
            assert_refused(got, Code::NotFound, ErrorReason::ApprovalNotFound);
        } else {
            assert_eq!(got.unwrap().into_inner().approval.unwrap(), approval);
        }
    }
}

#[tokio::test]
async fn lists_page_and_filter() {
    let setting = Setting::new().await;
    for number in 1..=3 {
        setting.create(number, Risk::Amber).await;
    }
    let green = setting.create(4, Risk::Green).await.approval.unwrap();
    let mut people = setting.people();
    let filter = "state = PENDING AND risk = AMBER".to_owned();
    let mut request = ListApprovalsRequest {
        page_size: 2,
        filter,
        ..Default::default()
    };
    let first = people
        .list_approvals(as_person(request.clone(), &bob()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first.approvals.len(), 2);
    request.page_token = first.next_page_token;
    let second = people
        .list_approvals(as_person(request.clone(), &bob()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((second.approvals.len(), second.next_page_token.as_str()), (1, ""));
    let foreign = people.list_approvals(as_person(request, &alice())).await;
    assert_refused(foreign, Code::InvalidArgument, ErrorReason::InvalidPageToken);

    let filter = format!("run_id = {}", green.run_id);
    let request = ListApprovalsRequest {
        filter,
        ..Default::default()
    };
    let found = people
        .list_approvals(as_person(request, &alice()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(found.approvals, [green]);
    let request = ListApprovalsRequest {
        filter: "colour = red".into(),
        ..Default::default()
    };
    let refused = people.list_approvals(as_person(request, &alice())).await;
    assert_refused(refused, Code::InvalidArgument, ErrorReason::InvalidFields);
}

#[tokio::test]
async fn a_page_is_no_larger_than_clients_take_and_nothing_is_left_out() {
    let setting = Setting::new().await;
    let text = "Send the newsletter. ".repeat(3_000);
    for number in 1..=40 {
        let request = creation_of(number, &text, Risk::Amber, NOW);
        setting.try_create(request).await.unwrap();
    }
    let mut request = ListApprovalsRequest {
        page_size: 1_000,
        ..Default::default()
    };
    let (mut pages, mut names) = (0, BTreeSet::new());
    loop {
        let page = setting
            .people()
            .list_approvals(as_person(request.clone(), &bob()))
            .await;
        let page = page.unwrap().into_inner();
        assert!(page.encoded_len() < 1_100_000, "{}", page.encoded_len());
        pages += 1;
        names.extend(page.approvals.into_iter().map(|approval| approval.name));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!((pages, names.len()), (3, 40));
}

#[tokio::test]
async fn what_is_damaged_is_listed_by_its_name() {
    let setting = Setting::new().await;
    let mut names = Vec::new();
    for number in 1..=3 {
        names.push(setting.create(number, Risk::Amber).await.approval.unwrap().name);
    }
    setting.damage("UPDATE contents SET content = replace(content, 'Send', 'Lend') WHERE position = 2");
    let request = ListApprovalsRequest::default();
    let page = setting.people().list_approvals(as_person(request, &bob())).await;
    let page = page.unwrap().into_inner();
    let listed: Vec<_> = page.approvals.iter().map(|approval| approval.name.as_str()).collect();
    assert_eq!(listed, [names[2].as_str(), names[0].as_str()]);
    assert_eq!(page.unreachable, [names[1].as_str()]);
    // Those of one tenant are no business of another's people, damaged or not.
    let stranger = token("mallory", "evil", &["approvers"], "approval");
    let request = as_person(ListApprovalsRequest::default(), &stranger);
    let page = setting.people().list_approvals(request).await.unwrap().into_inner();
    assert_eq!((page.approvals.len(), page.unreachable.len()), (0, 0));
}
