"""What is used of Mesos's events, with its types. An event of another shape is refused before it changes anything."""

from typing import Any

from sensorpi.mesos_node.mesos.calls import Json

_NUMBER = (int, float)
_ID = {"value": str}

#: By type. A name with "?" may be missing; a list has any number of such values; other names are ignored.
_SHAPES: dict[str, Any] = {
    "SUBSCRIBED": {"subscribed": {"framework_id": _ID, "heartbeat_interval_seconds?": _NUMBER}},
    "OFFERS": {
        "offers": {
            "offers?": [
                {
                    "id": _ID,
                    "agent_id": _ID,
                    "hostname": str,
                    "url?": {"address?": {"ip?": str, "port?": int}},
                    "allocation_info?": {"role?": str},
                    "attributes?": [{"name": str, "type": str, "scalar?": {"value": _NUMBER}, "text?": _ID}],
                    "resources?": [
                        {
                            "name": str,
                            "role?": str,
                            "scalar?": {"value": _NUMBER},
                            "ranges?": {"range?": [{"begin": int, "end": int}]},
                        }
                    ],
                }
            ]
        }
    },
    "UPDATE": {
        "update": {
            "status": {
                "task_id": _ID,
                "state": str,
                "message?": str,
                "agent_id?": _ID,
                "uuid?": str,
                "healthy?": bool,
            }
        }
    },
    "ERROR": {"error": {"message": str}},
}


def checked(event: Any) -> Json:
    """The same event. Raises ValueError when it does not have the shape of its type."""
    _check(event, {"type": str}, "event")
    _check(event, _SHAPES.get(event["type"], {}), "event")
    checked_event: Json = event
    return checked_event


def _check(value: Any, shape: Any, name: str) -> None:
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            raise ValueError(f"{name} is not an object")
        for key, inner in shape.items():
            part = key.removesuffix("?")
            if part in value:
                _check(value[part], inner, part)
            elif part == key:
                raise ValueError(f"{name} does not have {part}")
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise ValueError(f"{name} is not a list")
        for each in value:
            _check(each, shape[0], name)
    elif not isinstance(value, shape) or (isinstance(value, bool) and shape is not bool):
        raise ValueError(f"{name} has the wrong type")
