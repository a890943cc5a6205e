"""Every address of the admin page, and the role that it asks for."""

from dataclasses import dataclass
from typing import Final

from ops.admin import (
    api_keys,
    charts,
    conflicts,
    connection,
    deliveries,
    erase,
    gaps,
    home,
    login,
    mapping,
    people,
    replays,
    report,
    runs,
    state,
    things,
    waiting,
)
from ops.admin.answers import Route
from schemas.operators import Role

VIEWER, OPERATOR, ADMIN = Role.VIEWER, Role.OPERATOR, Role.ADMIN

ROUTES: Final = (
    Route("GET", "/admin", VIEWER, home.show),
    Route("GET", "/admin/live", VIEWER, home.live),
    Route("GET", "/admin/charts", VIEWER, charts.show),
    Route("GET", "/admin/report", VIEWER, report.show),
    Route("GET", "/admin/salesforce", VIEWER, state.show),
    Route("GET", "/admin/connection", VIEWER, connection.show),
    Route("POST", "/admin/connection", OPERATOR, connection.try_it),
    Route("POST", "/admin/connection/sign-in", ADMIN, connection.sign_in),
    Route("GET", "/admin/connection/callback", ADMIN, connection.come_back),
    Route("GET", "/admin/find", VIEWER, things.find),
    Route("GET", "/admin/parked", VIEWER, waiting.show_all),
    Route("GET", "/admin/parked/one", VIEWER, waiting.show_one),
    Route("POST", "/admin/parked/redrive", OPERATOR, waiting.redrive),
    Route("POST", "/admin/parked/discard", OPERATOR, waiting.discard),
    Route("GET", "/admin/gaps", VIEWER, gaps.show_all),
    Route("GET", "/admin/gaps/{gap}", VIEWER, gaps.show_one),
    Route("POST", "/admin/gaps/{gap}/close", OPERATOR, gaps.close),
    Route("POST", "/admin/gaps/{gap}/repair", OPERATOR, gaps.repair),
    Route("GET", "/admin/conflicts", VIEWER, conflicts.show_all),
    Route("POST", "/admin/conflicts/choose", OPERATOR, conflicts.choose),
    Route("GET", "/admin/runs", VIEWER, runs.show_all),
    Route("POST", "/admin/runs", OPERATOR, runs.plan),
    Route("GET", "/admin/runs/{run}", VIEWER, runs.show_one),
    Route("POST", "/admin/runs/{run}", OPERATOR, runs.turn),
    Route("POST", "/admin/runs/{run}/begin", OPERATOR, runs.begin),
    Route("GET", "/admin/replays", VIEWER, replays.show_all),
    Route("POST", "/admin/replays", OPERATOR, replays.plan),
    Route("GET", "/admin/replays/{replay}", VIEWER, replays.show_one),
    Route("POST", "/admin/replays/{replay}", OPERATOR, replays.turn),
    Route("POST", "/admin/replays/{replay}/publish", OPERATOR, replays.publish),
    Route("GET", "/admin/mapping", VIEWER, mapping.show),
    Route("POST", "/admin/mapping", ADMIN, mapping.propose),
    Route("POST", "/admin/mapping/check", ADMIN, mapping.check),
    Route("POST", "/admin/mapping/try", ADMIN, mapping.try_on),
    Route("POST", "/admin/mapping/rollback", ADMIN, mapping.roll_back),
    Route("GET", "/admin/mapping/versions/{version}", VIEWER, mapping.show_version),
    Route("GET", "/admin/mapping/changes/{change}", VIEWER, mapping.show_change),
    Route("POST", "/admin/mapping/changes/{change}", ADMIN, mapping.turn),
    Route("POST", "/admin/mapping/changes/{change}/publish", ADMIN, mapping.publish),
    Route("GET", "/admin/deliveries", VIEWER, deliveries.show_all),
    Route("POST", "/admin/deliveries/url", ADMIN, deliveries.set_url),
    Route("GET", "/admin/deliveries/one", VIEWER, deliveries.show_one),
    Route("POST", "/admin/deliveries/redeliver", OPERATOR, deliveries.redeliver),
    Route("POST", "/admin/deliveries/switch", OPERATOR, deliveries.switch),
    Route("GET", "/admin/api-keys", ADMIN, api_keys.show_all),
    Route("POST", "/admin/api-keys", ADMIN, api_keys.add),
    Route("POST", "/admin/api-keys/{key}/rotate", ADMIN, api_keys.rotate),
    Route("POST", "/admin/api-keys/{key}/revoke", ADMIN, api_keys.revoke),
    Route("GET", "/admin/erase", ADMIN, erase.show),
    Route("POST", "/admin/erase", ADMIN, erase.ask),
    Route("GET", "/admin/audit", OPERATOR, people.show_audit),
    Route("GET", "/admin/users", ADMIN, people.show_users),
    Route("POST", "/admin/users", ADMIN, people.add),
    Route("POST", "/admin/users/{name}", ADMIN, people.change),
    Route("GET", "/admin/account", VIEWER, people.show_account),
    Route("POST", "/admin/account", VIEWER, people.change_password),
    Route("POST", "/admin/logout", VIEWER, login.leave),
    Route("GET", "/admin/{kind}/{id}", VIEWER, things.show),
    Route("POST", "/admin/{kind}/{id}/sync", OPERATOR, things.sync_now),
    Route("POST", "/admin/{kind}/{id}/debug", OPERATOR, things.debug),
    Route("POST", "/admin/{kind}/{id}/export", ADMIN, things.export),
)
"""The last ones take any kind, so they stand last."""


@dataclass(frozen=True, slots=True)
class Link:
    """A page that the navigation names, for those who may see it."""

    path: str
    title: str
    role: Role


NAVIGATION: Final = (
    Link("/admin", "Overview", VIEWER),
    Link("/admin/charts", "Charts", VIEWER),
    Link("/admin/salesforce", "Salesforce", VIEWER),
    Link("/admin/connection", "Connection", VIEWER),
    Link("/admin/parked", "Parked", VIEWER),
    Link("/admin/conflicts", "Conflicts", VIEWER),
    Link("/admin/gaps", "Gaps", VIEWER),
    Link("/admin/runs", "Runs", VIEWER),
    Link("/admin/replays", "Replays", VIEWER),
    Link("/admin/mapping", "Mapping", VIEWER),
    Link("/admin/deliveries", "Deliveries", VIEWER),
    Link("/admin/audit", "Audit", OPERATOR),
    Link("/admin/api-keys", "API keys", ADMIN),
    Link("/admin/erase", "Erase", ADMIN),
    Link("/admin/users", "Users", ADMIN),
)
