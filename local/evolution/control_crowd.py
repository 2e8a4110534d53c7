"""The simulator's own API: the crowd of customers whom nobody plays.

GET /simulator/crowd
PUT /simulator/crowd  any of `crowd_settings.PARTS`: {"on", "reads", "answers", "optsOut", "blocks", "absent", "delayS",
                      "jitterS", "seed"}
"""

from flask import Response

from local.evolution.crowd_settings import changed_crowd, crowd_json
from local.evolution.errors import to_response
from local.evolution.guards import simulator
from local.evolution.tool import json_body, tool_blueprint

blueprint = tool_blueprint("control_crowd")


@blueprint.get("/crowd")
def show_crowd() -> Response:
    return to_response(crowd_json(simulator().crowd.plan))


@blueprint.put("/crowd")
def change_crowd() -> Response:
    crowd = simulator().crowd
    crowd.plan = changed_crowd(crowd.plan, json_body())
    return to_response(crowd_json(crowd.plan))
