"""What a release has to show, in words: each item of the board, how it is shown, and how a release is taken back."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import lazy_gettext as _

from portal.models import EvidenceItem, NoticeChannel, NoticeKind
from portal.web.words import State, Tone

COMMAND = "flask --app wsgi"


@dataclass(frozen=True)
class ItemWords:
    """An item of the board: its name, what it shows, and what to do to get it shown."""

    name: str
    meaning: str
    step: str
    # To be copied; `{base_url}` stands for the address of this portal.
    command: str = ""
    endpoint: str = ""


@dataclass(frozen=True)
class Way:
    """How a platform goes back to the version before: the commands, and what they do."""

    key: str
    name: str
    commands: str
    outcome: str


ITEMS: Mapping[EvidenceItem, ItemWords] = {
    EvidenceItem.GATE: ItemWords(
        _("Release gate"),
        _("All checks of database, settings, parts and flows passed."),
        _("Run the gate where the portal runs, and mend what it names."),
        f"{COMMAND} release-gate",
    ),
    EvidenceItem.MIGRATION: ItemWords(
        _("Migration at head"),
        _("The database has all tables and columns that this version needs."),
        _("Migrate the database, then run the gate again."),
        f"{COMMAND} db upgrade && {COMMAND} release-gate",
    ),
    EvidenceItem.RESTORE: ItemWords(
        _("Backup restored in rehearsal"),
        _("A backup of this database was restored into another one, and nothing was missing there."),
        _("Make an empty database, and rehearse with its address."),
        f"{COMMAND} golive rehearse-restore --into postgresql://…",
    ),
    EvidenceItem.WORKER: ItemWords(
        _("Worker alive"),
        _("A worker that started after the release gives signs of life on every queue."),
        _("Start the worker of this version. It shows itself within a minute."),
        "python -m portal.worker",
    ),
    EvidenceItem.WEBHOOK: ItemWords(
        _("Webhook round trip"),
        _("An event of Evolution arrived after the release and was applied."),
        _("Wait for a message to any unit, or restart a unit's connection on its page."),
    ),
    EvidenceItem.SMOKE: ItemWords(
        _("Smoke message with its receipt"),
        _("A test message left after the release, and WhatsApp told that it arrived."),
        _("Run the smoke test. It sends one message from a connected unit."),
        f"{COMMAND} smoke --url {{base_url}} --email … --phone …",
    ),
    EvidenceItem.ALERT: ItemWords(
        _("Alert raised and acknowledged"),
        _("An alert was told to those who watch, and one of them took it on."),
        _("Send a test alert, see that it arrives, and acknowledge it."),
        endpoint="operator.alerts.index",
    ),
}

# Whether an item was shown -> how that looks.
SHOWN: Mapping[bool | None, State] = {
    True: State(_("Shown"), "", "", Tone.GOOD),
    False: State(_("Failed"), "", "", Tone.BAD),
    None: State(_("Not shown yet"), "", "", Tone.CALM),
}

CRITERIA = (
    _("A secret or a person's number stands in a log."),
    _("Somebody of one company sees something of another."),
    _("More than half of the messages fail to go out."),
    _("The portal answers with server errors for more than 5 minutes."),
)

CONSEQUENCES = (
    _("The web and worker processes end in order and start again with the code before: some seconds without pages."),
    _("The database keeps its newest tables. The version before works with them; nothing is migrated back."),
    _("Messages that wait are kept and go on. None is sent twice: a send that was cut off is shown as unconfirmed."),
    _("Events that come meanwhile are posted again by Evolution. What is missing after that is fetched."),
)

WAYS = (
    Way(
        "heroku",
        "Heroku",
        "heroku releases\nheroku rollback vNNN",
        _("Starts that release's slug on all dynos. Its release process runs first and leaves the newer tables alone."),
    ),
    Way(
        "railway",
        "Railway",
        "git revert --no-edit HEAD\ngit push",
        _("Builds and deploys the code before. Without a build: Rollback in the menu of the earlier deployment."),
    ),
    Way(
        "systemd",
        "systemd",
        "git revert --no-edit HEAD\nsudo systemctl restart portal-web portal-worker",
        _("Both services end in order and start with the code before."),
    ),
)

CHANNELS: Mapping[NoticeChannel, str] = {NoticeChannel.WEBHOOK: _("Webhook"), NoticeChannel.MAIL: _("E-mail")}

KINDS: Mapping[NoticeKind, str] = {
    NoticeKind.OPENED: _("raised"),
    NoticeKind.WORSENED: _("worse"),
    NoticeKind.RECOVERED: _("over"),
}
