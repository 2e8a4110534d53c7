"""A person of whom there is something in every table, and others beside her."""

import json
from dataclasses import dataclass
from uuid import UUID, uuid4

from portal.background.erasures import Erasures
from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    Campaign,
    CampaignRecipient,
    ChangeKind,
    ConsentEvent,
    ConsentKind,
    ConsentSource,
    Contact,
    ContactKind,
    Conversation,
    ConversationAlias,
    ConversationEvent,
    ConversationEventKind,
    Direction,
    EarlyReceipt,
    EventState,
    Import,
    ImportChunk,
    ImportRow,
    Message,
    MessageChange,
    MessageStatus,
    RecipientState,
    RowKind,
    SkipReason,
    Unit,
)
from portal.services import erasing
from portal.services.media import Upload, check, store
from portal.tenancy import TenantScope, acting_for
from tests.companies import Company, make_company
from tests.factories import make_message, make_parked_event
from tests.files import PDF

NUMBER, SHORT_NUMBER, LID = "5511987650001", "551187650001", "998877665544332"
NAME, TEXT, WORDS, NOTE = "Filomena", "segredo de estado", "nunca mais", "prefere a tarde"
FILE = PDF + b"% the file of Filomena"
# Whatever of these stands anywhere leads to her.
TRACES = (NUMBER, SHORT_NUMBER, LID, NAME, TEXT, WORDS, NOTE, FILE.hex())


@dataclass(frozen=True)
class Filomena:
    """Her contact and conversation, at which company and unit."""

    company: Company
    contact_id: UUID
    conversation: Conversation

    @property
    def scope(self) -> TenantScope:
        return self.company.scope


@dataclass(frozen=True)
class Home:
    """A company with a row in every table for somebody else, and a group in which somebody else wrote."""

    company: Company
    group: Conversation


def make_home(slug: str = "acme") -> Home:
    company = make_company(slug)
    group = make_group(company.scope, company.unit)
    by_another = {"sender": "5511900000000", "senderName": "Outra"}
    make_message(company.scope, group, body="Bom dia, gente", details=by_another)
    return Home(company, group)


def make_filomena(home: Home, *, is_opted_out: bool = False) -> Filomena:
    """Her, with everything that there can be of a person."""
    company = home.company
    scope, unit = company.scope, company.unit
    with acting_for(scope), atomic():
        contact = scope.add(Contact(phone=NUMBER, whatsapp_number=SHORT_NUMBER, lid=LID, name=NAME))
        contact.attributes, contact.opted_out_at = {"nome": NAME}, now() if is_opted_out else None
        db.session.flush()
        conversation = scope.add(Conversation(unit_id=unit.id, contact_id=contact.id))
        db.session.flush()
        media_id = store(scope, check(Upload(f"{NAME}.pdf", FILE)))
    filomena = Filomena(company, contact.id, conversation)
    _make_messages(filomena, media_id, home.group)
    _make_what_was_told(scope, unit)
    _make_decisions(filomena)
    _make_campaigns(filomena)
    return filomena


def make_event(scope: TenantScope, unit: Unit, named: str, *, state: EventState = EventState.DONE) -> int:
    """The id of an event about that address."""
    body = {"event": "messages.upsert", "data": {"key": {"remoteJid": named}, "message": TEXT}}
    return make_parked_event(scope, unit, body=json.dumps(body), state=state)


def make_group(scope: TenantScope, unit: Unit, *, jid: str = "1203@g.us") -> Conversation:
    with acting_for(scope), atomic():
        contact = scope.add(Contact(kind=ContactKind.GROUP, chat_jid=jid, name="Equipe"))
        db.session.flush()
        return scope.add(Conversation(unit_id=unit.id, contact_id=contact.id))


def erase(filomena: Filomena) -> None:
    """Ask for it, and let a worker do all that it can."""
    with acting_for(filomena.scope):
        erasing.erase(filomena.scope, filomena.contact_id, is_understood=True)
    work_off()


def work_off() -> None:
    worker = Erasures()
    while worker.work():
        pass


def _make_messages(filomena: Filomena, media_id: UUID, group: Conversation) -> None:
    scope, conversation = filomena.scope, filomena.conversation
    first = make_message(
        scope, conversation, body=TEXT, media_id=media_id, external_id="3AEDIT", original_body=TEXT + "!"
    )
    answer = make_message(scope, conversation, body=f"Oi, {NAME}", direction=Direction.OUTBOUND)
    make_message(scope, conversation, body=TEXT, direction=Direction.OUTBOUND, resend_of_id=answer.id)
    make_message(scope, conversation, body=TEXT, direction=Direction.OUTBOUND, status=MessageStatus.QUEUED)
    make_message(scope, group, body=TEXT, details={"sender": f"{LID}@lid", "senderName": NAME})
    with acting_for(scope), atomic():
        unit_id = conversation.unit_id
        edit = {"kind": ChangeKind.EDIT, "told_as": "1", "body": TEXT, "received_at": now()}
        scope.add(MessageChange(unit_id=unit_id, external_id=first.external_id, **edit))
        scope.add(EarlyReceipt(unit_id=unit_id, external_id=first.external_id, receipt="READ", received_at=now()))
        scope.add(ConversationAlias(unit_id=unit_id, conversation_id=conversation.id))


def _make_what_was_told(scope: TenantScope, unit: Unit) -> None:
    for named in (f"{NUMBER}@s.whatsapp.net", f"{SHORT_NUMBER}@s.whatsapp.net", f"{LID}@lid"):
        make_event(scope, unit, named)
    make_event(scope, unit, f"{NUMBER}@s.whatsapp.net", state=EventState.PARKED)


def _make_decisions(filomena: Filomena) -> None:
    scope = filomena.scope
    consent = {"kind": ConsentKind.OPTED_OUT, "source": ConsentSource.MESSAGE, "words": WORDS, "happened_at": now()}
    with acting_for(scope), atomic():
        scope.add(ConsentEvent(contact_id=filomena.contact_id, message_id=uuid4(), note=NAME, **consent))
        there = {"unit_id": filomena.conversation.unit_id, "conversation_id": filomena.conversation.id}
        scope.add(ConversationEvent(kind=ConversationEventKind.NOTE, body=f"{NAME}: {NOTE}", **there))
        listed = db.session.scalars(scope.select(Import)).one()
        listed.layout = {**(listed.layout or {}), "columns": [{"name": "nome", "samples": [NAME]}]}
        scope.add(ImportChunk(import_id=listed.id, number=1, content=f"{NUMBER};{NAME}".encode()))
        scope.add(ImportRow(import_id=listed.id, kind=RowKind.WRONG, line=7, cells=[NUMBER, NAME], notes={}))


def _make_campaigns(filomena: Filomena) -> None:
    """One of which she got her message, with her number pasted twice; and one in which her turn is still to come."""
    scope, unit_id = filomena.scope, filomena.conversation.unit_id
    with acting_for(scope), atomic():
        message_id = db.session.scalars(scope.select(Message, Message.id).where(Message.body == TEXT)).first()
        pasted = f"(11) 90000-0000\n+55 11 98765-0001\n{NUMBER}"
        for audience in ({"pasted": pasted}, {"everybody": True}):
            campaign = scope.add(Campaign(unit_id=unit_id, name="Natal", audience=audience, total=2))
            db.session.flush()
            typed = {"campaign_id": campaign.id, "typed": NUMBER}
            hers = {"contact_id": filomena.contact_id, "body": f"Oi, {NAME}", "line": 2}
            scope.add(CampaignRecipient(position=1, **typed, **hers))
            repeated = {"state": RecipientState.SKIPPED, "reason": SkipReason.DUPLICATE, "line": 3}
            if "pasted" in audience:
                scope.add(CampaignRecipient(position=2, **typed, **repeated))
                handed = {"state": RecipientState.HANDED, "message_id": message_id, "handed_at": now()}
                of_hers = scope.update(CampaignRecipient).where(
                    CampaignRecipient.campaign_id == campaign.id, CampaignRecipient.position == 1
                )
                db.session.execute(of_hers.values(handed).execution_options(synchronize_session=False))
