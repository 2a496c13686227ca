#!/usr/bin/env python3
"""Drives every RPC of a deployment as a client that knows nothing but its addresses: all types come from reflection.

Reads JSON from standard input:

    {"addresses": {PART: "HOST:PORT"}, "tokens": {"ask", "decide", "operate", "CALLER@TARGET": …}, "tenant", "issuer"}

Writes one JSON object a line for each call: {"rpc", "code", "domain", "reason"}. Ends with an error if an answer is not
what it should be.
"""

import base64
import hashlib
import json
import sys
import uuid

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

TIMEOUT = 30
GREEN = "Summarize our AI governance policy for internal use."
AMBER = "Send an email to all employees that payroll will be delayed by 2 days."


class Refused(Exception):
    """A call that was answered with an error."""

    def __init__(self, error: grpc.RpcError) -> None:
        super().__init__(f"{error.code().name}: {error.details()}")
        self.code = error.code().name
        self.domain, self.reason = error_info(error)


def error_info(error: grpc.RpcError) -> tuple[str, str]:
    """Domain and reason of the error, from its one ErrorInfo."""
    found = []
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        for detail in status_pb2.Status.FromString(value).details:
            info = error_details_pb2.ErrorInfo()
            if detail.Unpack(info):
                found.append((info.domain, info.reason))
    return found[0] if len(found) == 1 else ("", f"{len(found)} ErrorInfo")


class Part:
    """One part, with whatever services its reflection names."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address)
        self.database = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = DescriptorPool(self.database)
        self.services = {name.rsplit(".", 1)[-1]: name for name in self.database.get_services()}

    def call(self, service: str, method: str, request: dict, token: str, subject: str = "", take: int = 0) -> list[dict]:
        """All messages of the answer, or the first `take` of them, with every field."""
        found = self.pool.FindServiceByName(self.services[service]).FindMethodByName(method)
        metadata = [("authorization", f"Bearer {token}")]
        if subject:
            metadata.append(("x-countersign-subject", subject))
        kind = self.channel.unary_stream if found.server_streaming else self.channel.unary_unary
        rpc = f"{found.containing_service.full_name}/{method}"
        invoke = kind(
            f"/{rpc}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(found.output_type).FromString,
        )
        message = json_format.ParseDict(request, GetMessageClass(found.input_type)())
        try:
            answer = invoke(message, metadata=metadata, timeout=TIMEOUT)
            messages = []
            for part in answer if found.server_streaming else [answer]:
                messages.append(part)
                if len(messages) == take:
                    answer.cancel()
                    break
        except grpc.RpcError as error:
            refused = Refused(error)
            report(rpc, refused.code, refused.domain, refused.reason)
            raise refused from error
        report(rpc, "OK")
        options = {"preserving_proto_field_name": True, "always_print_fields_with_no_presence": True}
        return [json_format.MessageToDict(message, **options) for message in messages]


def report(rpc: str, code: str, domain: str = "", reason: str = "") -> None:
    print(json.dumps({"rpc": rpc, "code": code, "domain": domain, "reason": reason}), flush=True)


def fresh() -> str:
    return str(uuid.uuid4())


def expect(condition: bool, what: object) -> None:
    if not condition:
        raise AssertionError(what)


class Tour:
    """The whole contract, in an order in which each call has something to work on."""

    def __init__(self, given: dict) -> None:
        self.parts = {name: Part(address) for name, address in given["addresses"].items()}
        self.tokens, self.tenant, self.issuer = given["tokens"], given["tenant"], given["issuer"]

    # --- who calls what ---

    def ask(self, part: str, service: str, method: str, request: dict, **more: int) -> list[dict]:
        return self.parts[part].call(service, method, request, self.tokens["ask"], **more)

    def decide(self, service: str, method: str, request: dict, **more: int) -> list[dict]:
        return self.parts["approval-svc"].call(service, method, request, self.tokens["decide"], **more)

    def serve(self, caller: str, part: str, service: str, method: str, request: dict, subject: str = "") -> list[dict]:
        return self.parts[part].call(service, method, request, self.tokens[f"{caller}@{part}"], subject)

    def runs(self, method: str, request: dict) -> list[dict]:
        return self.ask("orchestrator", "GovernanceService", method, request)

    def warrants(self, method: str, request: dict) -> dict:
        return self.serve("executor-svc", "approval-svc", "WarrantService", method, request)[0]

    def traces(self, method: str, request: dict) -> list[dict]:
        return self.ask("trace-svc", "TraceService", method, request)

    # --- the tour ---

    def all(self) -> None:
        self.health()
        run = self.governance()
        self.decisions()
        self.executions()
        self.policies()
        self.record(run)
        self.refusals()

    def health(self) -> None:
        for part in self.parts.values():
            answer = health_pb2_grpc.HealthStub(part.channel).Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT)
            expect(answer.status == health_pb2.HealthCheckResponse.SERVING, answer)

    def governance(self) -> dict:
        submitted = {"request_id": fresh(), "agent": "main", "instruction": {"text": GREEN}}
        created = self.runs("CreateRun", submitted)[0]["run"]
        followed = self.runs("StreamRun", {**submitted, "request_id": fresh()})
        expect(followed[-1]["run"]["state"] == "STATE_SUCCEEDED", followed)
        expect("".join(update.get("output_chunk", "") for update in followed) == followed[-1]["run"]["output"], followed)
        watched = self.runs("WatchRun", {"name": created["name"]})
        expect(watched[-1]["run"]["state"] == "STATE_SUCCEEDED", watched)
        run = self.runs("GetRun", {"name": created["name"]})[0]["run"]
        expect(run["risk"] == "RISK_GREEN", run)
        listed = self.runs("ListRuns", {"page_size": 5})[0]["runs"]
        expect(run["name"] in [one["name"] for one in listed], listed)
        waiting = self.submit_amber()
        cancelled = self.runs("CancelRun", {"name": waiting["name"], "request_id": fresh(), "reason": "no"})[0]["run"]
        expect(cancelled["state"] == "STATE_CANCELLED", cancelled)
        return run

    def decisions(self) -> None:
        for method, state in (("GrantApproval", "STATE_GRANTED"), ("DenyApproval", "STATE_DENIED")):
            name = self.submit_amber()["approval"]
            pending = self.decide("ApprovalService", "ListApprovals", {"filter": "state = PENDING"})[0]["approvals"]
            expect([one["name"] for one in pending] == [name], pending)
            approval = self.decide("ApprovalService", "GetApproval", {"name": name})[0]["approval"]
            decided = self.decide("ApprovalService", method, self.decision(approval))[0]["approval"]
            expect(decided["state"] == state, decided)
        start = self.decide("ApprovalService", "WatchApprovals", {"filter": "state = PENDING"}, take=1)[0]
        name = self.submit_amber()["approval"]
        resume = {"filter": "state = PENDING", "resume_token": start["resume_token"]}
        changes = self.decide("ApprovalService", "WatchApprovals", resume, take=2)
        expect(changes[1]["approval"]["name"] == name, changes)
        withdrawal = {"name": name, "request_id": fresh(), "reason": "no"}
        cancelled = self.ask("approval-svc", "ApprovalService", "CancelApproval", withdrawal)[0]["approval"]
        expect(cancelled["state"] == "STATE_CANCELLED", cancelled)
        approval = self.permit()[1]["approval"]
        revoked = self.decide("ApprovalService", "RevokeApproval", self.decision(approval))[0]["approval"]
        expect(revoked["state"] == "STATE_REVOKED", revoked)

    def policies(self) -> None:
        def operate(method: str, request: dict) -> dict:
            part, token = self.parts["classifier-svc"], self.tokens["operate"]
            return part.call("ClassificationService", method, request, token)[0]

        listed = operate("ListPolicies", {"page_size": 5})["policies"]
        policy = operate("GetPolicy", {"name": listed[0]["name"]})["policy"]
        expect(len(policy["rules"]) == policy["rule_count"] > 0, policy)
        text = b"name: tried\nversion: '1'\nrevision: 1\n"
        files = [{"name": "policy.yaml", "content": base64.b64encode(text).decode()}]
        checked = operate("ValidatePolicy", {"files": files})
        expect(checked["valid"], checked)
        cases = [{"id": "1", "instruction": {"text": GREEN}}]
        replayed = operate("ReplayPolicy", {"candidate": files, "cases": cases})
        expect(replayed["changed_count"] == 1, replayed)

    def executions(self) -> None:
        expect("keys" in self.decide("WarrantService", "GetKeySet", {})[0]["key_set"]["jwks_json"], "no keys")
        self.serve("orchestrator", "approval-svc", "ApprovalService", "AcquireApprovals", {"max_approvals": 1})
        action, permitted = self.permit()
        approval = permitted["approval"]
        claim = {"request_id": fresh(), "warrant_jws": permitted["warrant_jws"], "action_digest": approval["action_digest"]}
        claim = self.warrants("ClaimWarrant", {**claim, "executor_instance": "grpcio"})["claim"]
        held = {"approval": claim["approval"], "fencing_token": claim["fencing_token"]}
        self.warrants("RenewClaim", held)
        ended = {**held, "outcome": "OUTCOME_UNKNOWN", "detail": "lost", "request_id": fresh()}
        approval = self.warrants("CompleteWarrant", ended)["approval"]
        found = {"approval": approval["name"], "etag": approval["etag"], "outcome": "OUTCOME_SUCCEEDED"}
        found |= {"reason": "it is in the outbox", "request_id": fresh()}
        self.decide("WarrantService", "ReconcileWarrant", found)
        action, permitted = self.permit()
        execution = {"action": action, "verdict_jws": permitted["approval"]["verdict_jws"]}
        execution["warrant_jws"] = permitted["warrant_jws"]
        events = self.serve("orchestrator", "executor-svc", "ExecutionService", "ExecuteAction", execution)
        expect(events[-1]["finished"]["outcome"] == "OUTCOME_SUCCEEDED", events)

    def record(self, run: dict) -> None:
        trace = self.traces("GetTrace", {"name": run["trace"]})[0]["trace"]
        expect(trace["name"] == run["trace"], trace)
        self.traces("ListTraces", {"page_size": 5})
        events = self.traces("ListEvents", {"parent": run["trace"], "include_content": True})[0]["events"]
        expect(events[0]["type"] == "request.received", events)
        exported = self.traces("ExportEvents", {"parent": run["trace"], "format": "FORMAT_JSONL"})
        expect(all(piece["data"] for piece in exported) and exported, exported)
        for method, wrap in (("CreateEvent", lambda event: {"event": event}), ("BatchCreateEvents", lambda event: {"events": [event]})):
            self.serve("executor-svc", "trace-svc", "TraceService", method, wrap(self.event()))

    def refusals(self) -> None:
        """An error can be read, too."""
        try:
            self.runs("GetRun", {"name": f"runs/{uuid.uuid4().hex}"})
        except Refused as refused:
            told = (refused.code, refused.domain, refused.reason)
            expect(told == ("NOT_FOUND", "governance.countersign", "RUN_NOT_FOUND"), told)
        else:
            raise AssertionError("a run that never was is found")

    # --- what the tour works on ---

    def submit_amber(self) -> dict:
        submitted = {"request_id": fresh(), "agent": "main", "instruction": {"text": AMBER}}
        run = self.runs("CreateRun", submitted)[0]["run"]
        expect(run["state"] == "STATE_PENDING_APPROVAL", run)
        return run

    def decision(self, approval: dict) -> dict:
        seen = {key: approval[key] for key in ("name", "etag", "action_digest")}
        return {**seen, "request_id": fresh(), "reason": "looked at"}

    def permit(self) -> tuple[dict, dict]:
        """An action with its approval and its warrant, made as the orchestrator makes them."""
        request_id = fresh()
        run_id = self.run_id("alice", request_id)
        action = {"run_id": run_id, "tenant": self.tenant, "issuer": self.issuer, "requester": "alice"}
        action |= {"agent": "main", "session": "tour", "instruction": {"text": GREEN}}
        found = self.ask("classifier-svc", "ClassificationService", "ClassifyAction", {"action": action})[0]
        batch = self.ask("classifier-svc", "ClassificationService", "BatchClassifyActions", {"actions": [action]})[0]
        expect(batch["classifications"][0]["classification"]["risk"] == found["classification"]["risk"], batch)
        expect("keys" in self.ask("classifier-svc", "ClassificationService", "GetKeySet", {})[0]["key_set"]["jwks_json"], "no keys")
        create = {"request_id": request_id, "action": action}
        create |= {field: found["classification"][field] for field in ("verdict_jws", "reason")}
        created = self.serve(
            "orchestrator", "approval-svc", "ApprovalService", "CreateApproval", create, self.tokens["ask"]
        )[0]
        expect(created["approval"]["state"] == "STATE_GRANTED", created)
        return action, created

    def run_id(self, requester: str, request_id: str) -> str:
        """The run of a request, as the contract derives it."""
        texts = [text.encode() for text in (self.tenant, self.issuer, requester, request_id)]
        parts = b"".join(len(text).to_bytes(8, "big") + text for text in texts)
        return hashlib.sha256(b"countersign/run/v1" + parts).hexdigest()[:32]

    def event(self) -> dict:
        owner = {"tenant": self.tenant, "issuer": self.issuer, "requester": "alice"}
        return {
            "event_id": fresh(),
            "trace_id": uuid.uuid4().hex,
            "type": "execution.failed",
            "occur_time": "2026-01-01T00:00:00Z",
            "actor": {"type": "service", "id": "executor-svc"},
            "attributes": {f"countersign.{key}": value for key, value in owner.items()},
        }


if __name__ == "__main__":
    Tour(json.load(sys.stdin)).all()
