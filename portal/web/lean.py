"""What runs around a view. The webhook door goes without what only people's pages and companies' programs need."""

from flask import Flask, Request, Response, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask.typing import ResponseReturnValue

from portal.web import counting, headers

DOOR = "webhooks.take"


class SessionsOfCookies(SecureCookieSessionInterface):
    """Flask's own, which makes ready to check a signature only where there is one."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if self.get_cookie_name(app) not in request.cookies:
            return SecureCookieSession()
        return super().open_session(app, request)


class Portal(Flask):
    """Flask, which spares the door whatever extensions hang around every view.

    It has no cookie, form, language or limit, and its answers are too short to be packed, but all of that took more of
    the processor than to look at a webhook.
    """

    session_interface = SessionsOfCookies()

    def preprocess_request(self) -> ResponseReturnValue | None:
        if request.endpoint != DOOR:
            return super().preprocess_request()
        counting.see_to_flusher()
        headers.begin()
        return None

    def process_response(self, response: Response) -> Response:
        if request.endpoint != DOOR:
            return super().process_response(response)
        return counting.count(headers.secure(headers.log_request(response)))
