"""Data Factory: runs the committed pipeline of include/adf/ on real rows.

Sources: Data Factory REST API 2018-06-01 (Pipelines - Create Run, Get; Pipeline Runs - Get, Query By Factory, Cancel;
Activity Runs - Query By Pipeline Run).
"""

from __future__ import annotations

import functools
import json
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.fakes.adf_runs import PipelineRunner, Run, now
from tests.fakes.web_service import Answer, WebService, json_of

HOST = "management.azure.com"
API_VERSION = "2018-06-01"
FACTORY = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataFactory/factories/{factory}"
CREATE_RUN = f"POST {FACTORY}/pipelines/{{name}}/createRun"
CANCEL_RUN = f"POST {FACTORY}/pipelineruns/{{run}}/cancel"
KINDS = {"linkedservices": "linkedService", "datasets": "dataset", "pipelines": "pipeline"}
TYPES: dict[str, type] = {"String": str, "Array": list, "Int": int, "Bool": bool, "Object": dict}


class DataFactory(WebService):
    """One factory in one resource group.

    Args:
        check: raises HTTPException(401) for a request without a valid token, for example
            ``lambda request: entra.check(request, MANAGEMENT)``.
        place: names of subscription, resource group and factory.
        dsn: of the source that the linked service names.
        write: takes folder (below the container bronze), file name and content.
        folder: of the factory's resources, in the layout of the Git integration.

    Attributes:
        runs: by id, in order of their start.
        failures: ``schema.table`` -> messages with which its next copies fail, one per attempt of the activity.
        delays: ``schema.table`` -> seconds before its copy begins; a cancelled copy does not wait longer.
        page: how many runs or activities one answer holds.
    """

    def __init__(
        self,
        *,
        check: Callable[[Request], object],
        place: tuple[str, str, str],
        dsn: str,
        write: Callable[[str, str, bytes], object],
        folder: Path,
    ) -> None:
        self.check, self.place = check, place
        self.resources: dict[str, dict[str, dict[str, Any]]] = {}
        self.deploy(folder)
        self.runs: dict[str, Run] = {}
        self.runner = PipelineRunner(self.resources, dsn, write)
        self.failures, self.delays = self.runner.failures, self.runner.delays
        self.page = 100
        super().__init__(HOST)

    def routes(self) -> Mapping[str, Answer]:
        run = f"{FACTORY}/pipelineruns/{{run}}"
        routes: dict[str, Answer] = {
            CREATE_RUN: self._create_run,
            f"GET {run}": lambda request: JSONResponse(self._run(request).document),
            CANCEL_RUN: self._cancel,
            f"POST {run}/queryActivityruns": self._activities,
            f"POST {FACTORY}/queryPipelineRuns": self._query,
        }
        for kind in KINDS:
            routes[f"GET {FACTORY}/{kind}/{{name}}"] = functools.partial(self._resource, kind=kind)
            # Airflow's identity runs pipelines and changes none (the role Midnight Pipeline Runner, infra/access.yml).
            routes[f"PUT {FACTORY}/{kind}/{{name}}"] = self._refuse_change
        return {name: self._guarded(answer) for name, answer in routes.items()}

    def deploy(self, folder: Path) -> None:
        """What Terraform does with the files of ``adf/``; the environment's own values are of no matter here."""
        for kind in KINDS.values():
            self.resources[kind] = {path.stem: json.loads(path.read_text()) for path in (folder / kind).glob("*.json")}

    def join(self) -> None:
        """Cancel all runs and wait for them, at the end of a test."""
        for run in self.runs.values():
            run.cancelled.set()
        self.runner.join()

    def _guarded(self, answer: Answer) -> Answer:
        def guarded(request: Request) -> Response:
            self.check(request)
            if request.query_params.get("api-version") != API_VERSION:
                raise HTTPException(400, "The api-version is missing or not supported")
            asked = tuple(request.path_params[name] for name in ("subscription", "group", "factory"))
            if asked != self.place:
                kind = "Microsoft.DataFactory/factories"
                raise HTTPException(404, f"The Resource '{kind}/{asked[2]}' under '{asked[1]}' was not found.")
            return answer(request)

        return guarded

    def _resource(self, request: Request, kind: str) -> Response:
        name = request.path_params["name"]
        if name not in self.resources[KINDS[kind]]:
            raise HTTPException(404, f"The document could not be retrieved: {kind}/{name} does not exist.")
        return JSONResponse({"id": request.url.path, "etag": "0", **self.resources[KINDS[kind]][name]})

    def _refuse_change(self, request: Request) -> Response:
        raise HTTPException(403, "The client does not have authorization to perform action '…/write'")

    def _create_run(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self.resources["pipeline"]:
            raise HTTPException(404, f"Pipeline {name} was not found.")
        parameters = json_of(request) or {}
        declared = self.resources["pipeline"][name]["properties"].get("parameters", {})
        without = {key for key, parameter in declared.items() if "defaultValue" not in parameter}
        for problem, names in (
            ("not present", set(parameters) - set(declared)),
            ("missing", without - set(parameters)),
        ):
            if names:
                raise HTTPException(400, f"ErrorCode=InvalidTemplate, parameters {sorted(names)} are {problem}")
        for key, value in parameters.items():
            if not isinstance(value, TYPES[declared[key]["type"]]):
                raise HTTPException(400, f"ErrorCode=InvalidTemplate, parameter {key} is not a {declared[key]['type']}")
        parameters = {key: p["defaultValue"] for key, p in declared.items() if "defaultValue" in p} | parameters
        identity = str(uuid.uuid4())
        shown = {k: v if isinstance(v, str) else json.dumps(v) for k, v in parameters.items()}
        document = {
            "runId": identity,
            "runGroupId": identity,
            "isLatest": True,
            "pipelineName": name,
            "parameters": shown,
            "invokedBy": {"id": "app", "name": "Manual", "invokedByType": "Manual"},
            "runStart": now(),
            "runEnd": None,
            "durationInMs": None,
            "status": "Queued",
            "message": "",
        }
        self.runs[identity] = Run({**document, "lastUpdated": now()}, parameters)
        self.runner.start(self.runs[identity])
        return JSONResponse({"runId": identity})

    def _run(self, request: Request) -> Run:
        if request.path_params["run"] not in self.runs:
            raise HTTPException(404, f"The pipeline run {request.path_params['run']} was not found.")
        return self.runs[request.path_params["run"]]

    def _cancel(self, request: Request) -> Response:
        run = self._run(request)
        if run.document["status"] in ("Queued", "InProgress"):
            self.runner.show(run, "Canceling")
            run.cancelled.set()
        return Response(status_code=200)

    def _query(self, request: Request) -> Response:
        """Newest first, as our client requests it; other orders are refused."""
        body = json_of(request)
        if body.get("orderBy") != [{"orderBy": "RunStart", "order": "DESC"}]:
            raise HTTPException(400, "the stand-in orders by RunStart DESC only")
        return self._paged(body, [run.document for run in reversed(self.runs.values())], "lastUpdated")

    def _activities(self, request: Request) -> Response:
        return self._paged(json_of(request), self._run(request).activities, "activityRunEnd")

    def _paged(self, body: dict[str, Any], documents: list[dict[str, Any]], moment: str) -> Response:
        after, before = (datetime.fromisoformat(body[f"lastUpdated{side}"]) for side in ("After", "Before"))
        found = [d for d in documents if after <= datetime.fromisoformat(d[moment] or now()) <= before]
        for condition in body.get("filters", []):
            if condition["operator"] not in ("Equals", "In"):
                raise HTTPException(400, f"the stand-in does not know the operator {condition['operator']}")
            key = condition["operand"][0].lower() + condition["operand"][1:]
            found = [document for document in found if document[key] in condition["values"]]
        start = int(body.get("continuationToken") or 0)
        page: dict[str, Any] = {"value": found[start : start + self.page]}
        if start + self.page < len(found):
            page["continuationToken"] = str(start + self.page)
        return JSONResponse(page)
