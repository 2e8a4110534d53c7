"""Why a call of the smoke test did not go well, and what to do about it."""

from portal.monitor.smoke.answers import Answer

# What whoever runs the portal does about the reasons of a refusal.
STEPS = {
    "wrong_credentials": "Correct --email, or PORTAL_SMOKE_PASSWORD.",
    "second_factor_required": "Give the code of the account's second factor with --code.",
    "wrong_code": "Wait for the next code of the second factor, and give it with --code.",
    "suspended": "The company is suspended: resume it, or sign in as somebody of another one.",
    "never_connected": "Connect the unit first.",
    "evolution_unreachable": "See that the Evolution server is up, and that EVOLUTION_API_URL is its address.",
    "evolution_key_refused": "EVOLUTION_API_KEY must be the server's AUTHENTICATION_API_KEY.",
    "evolution_not_licensed": "Activate the licence of the Evolution server.",
    "evolution_full": "Add an Evolution server, or raise the capacity of one.",
    "connection_error": "Run the smoke test again in a minute; if it stays so, read the log of the Evolution server.",
}


class Failed(Exception):
    """A call did not go well."""

    def __init__(self, what: str, step: str) -> None:
        super().__init__(f"{what} What to do: {step}")


def refused(answer: Answer) -> Failed:
    """What the portal's own refusal means for whoever runs it."""
    step = STEPS.get(answer.error_code) or _step_by_status(answer.status)
    return Failed(answer.refusal or f"The portal answered {answer.status}.", step)


def _step_by_status(status: int) -> str:
    if status == 403:
        return "Sign in as an administrator of the company."
    if status == 404:
        return "See that --url is the portal's address, and that the unit still exists."
    if status == 422:
        return "Correct what the sentence names."
    if status == 429:
        return "Wait for some minutes: this address, token or account called too often."
    if status >= 500:
        return "Look at /ready, and at the portal's log around this time."
    return "Compare the version of the portal with that of this command."
