"""Items of a workspace: created once, updated afterwards.

Sources: "Items - Create Semantic Model", "… - Update Semantic Model Definition", the same of reports, "Semantic model
definition" and "Report definition" (Microsoft Fabric REST API). These two kinds of item need no capacity, only the
role Contributor, according to Microsoft's own deployment tool (``NO_ASSIGNED_CAPACITY_REQUIRED`` in
github.com/microsoft/fabric-cicd).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from midnight.errors import ReportPublicationError
from midnight.powerbi.rest_api import FABRIC, ApiError, RestApi

NAME_IN_USE = "ItemDisplayNameAlreadyInUse"


def put_item(
    api: RestApi, workspace_id: str, collection: str, *, name: str, description: str, parts: Mapping[str, str]
) -> tuple[str, bool]:
    """Create an item or replace its definition.

    Args:
        api: the service.
        workspace_id: of the workspace.
        collection: ``semanticModels`` or ``reports``.
        name: display name; the item is found by it.
        description: of a new item; at most 256 characters are allowed.
        parts: path in the definition -> text.

    Returns:
        The item's id, and whether it is new.

    Raises:
        ReportPublicationError: refused, failed, or two items have this name.
    """
    root = f"{FABRIC}/workspaces/{workspace_id}/{collection}"
    definition = {
        "parts": [
            {"path": path, "payload": base64.b64encode(text.encode()).decode(), "payloadType": "InlineBase64"}
            for path, text in sorted(parts.items())
        ]
    }
    known = _find(api, root, name)
    if known is None:
        body = {"displayName": name, "description": description[:256], "definition": definition}
        try:
            api.change("POST", root, body)
        except ApiError as error:
            if error.code != NAME_IN_USE:  # created concurrently, or a response was lost
                raise
        else:
            created = _find(api, root, name)
            if created is None:
                raise ReportPublicationError(
                    f"{name!r} was created, but is not in the list of {collection}; hint: run the command again"
                )
            return created, True
        known = _find(api, root, name)
        if known is None:
            raise ReportPublicationError(
                f"the name {name!r} is taken in the workspace by an item that is not in {collection}; "
                "hint: rename that item"
            )
    api.change("POST", f"{root}/{known}/updateDefinition", {"definition": definition})
    return known, False


def report_parts(files: Mapping[str, str], semantic_model_id: str) -> dict[str, str]:
    """A report's files with a reference to a published model.

    The service refuses a path to a folder (``byPath``) ("Report definition").
    """
    document: dict[str, Any] = json.loads(files["definition.pbir"])
    connection = {"connectionString": f"semanticmodelid={semantic_model_id}"}
    document["datasetReference"] = {"byConnection": connection}
    return {**files, "definition.pbir": json.dumps(document, indent=2) + "\n"}


def _find(api: RestApi, root: str, name: str) -> str | None:
    found = [item["id"] for item in api.pages(root) if item["displayName"] == name]
    if len(found) > 1:
        raise ReportPublicationError(
            f"{len(found)} items of {root.rpartition('/')[2]} are called {name!r} ({', '.join(found)}); "
            "hint: delete or rename all but one"
        )
    return found[0] if found else None
