"""The rows of `bench.inbox`: a company of eight units with two years of messages, made by the database itself."""

import time

import psycopg

from bench.stage import Stage

UNITS = 8
MESSAGES_EACH = 20
BIG_THREAD, BIG_THREAD_MESSAGES = "5511900000001", 5_000
RARE_WORD, FREQUENT_WORD = "paralelepípedo", "entrega"
NAME = "Antônio Figueira"
INSERTED, TOGETHER, INSERT_RUNS = 100_000, 500, 3
DOCUMENT_INDEX = (
    "CREATE INDEX ix_messages_document ON messages USING gin (message_document(tenant_id, occurred_at, body))"
    " WHERE body <> ''"
)
# The more to the front a word stands, the more often it is written: a word's number is the exponential of a chance.
WORDS = """
de a o que e para não com uma um por mais as dos como mas ao ele das à seu sua ou quando muito nos já eu também só
pelo pela até isso ela entre depois sem mesmo aos seus quem nas me esse eles você essa num nem suas meu às minha
numa elas qual nós lhe deles essas esses pelas este bom dia tarde noite obrigada obrigado entrega pedido hoje amanhã
tudo bem preço valor pagamento boleto pix cartão crédito endereço rua número bairro cidade horário loja produto
tamanho cor disponível estoque prazo frete troca devolução nota fiscal dinheiro desconto promoção cupom garantia
conserto visita técnico agendar agenda consulta médico exame resultado retorno confirmar cancelar remarcar segunda
terça quarta quinta sexta sábado domingo semana mês ano manhã aberto fechado telefone celular mensagem áudio foto
vídeo documento contrato assinatura proposta orçamento serviço atendimento atendente gerente equipe sistema
problema dúvida ajuda urgente favor gentileza aguardo retirar buscar levar enviar receber chegou saiu caminho
motoboy transportadora rastreio código senha acesso conta cadastro nome completo cpf email site aplicativo
instalação manutenção limpeza reforma pintura cozinha banheiro quarto sala jardim piscina churrasco festa evento
convite presente aniversário casamento viagem hotel passagem voo ônibus carro moto bicicleta pneu motor óleo
revisão seguro multa licenciamento imposto taxa juros parcela vencimento atraso negociar acordo dívida cobrança
comprovante transferência depósito saque banco agência gerência escola aluno professor matrícula mensalidade
uniforme material livro caderno prova aula curso turma período férias feriado reunião diretoria secretaria
"""
# As the portal makes ids: they begin with the time.
ID_AT = (
    "(lpad(to_hex((extract(epoch FROM {at}) * 1000)::bigint), 12, '0') || '7' || substr(md5(random()::text), 1, 3)"
    " || '8' || substr(md5(random()::text), 1, 15))::uuid"
)
SETTING_UP = (
    "SET session_replication_role = replica",
    "DROP INDEX ix_messages_document",
    "SELECT setseed(0.5)",
    "INSERT INTO tenants (id, name, slug) VALUES (gen_random_uuid(), 'Bench', 'bench')",
    "INSERT INTO evolution_servers (id, name, url, api_key_encrypted, is_default, capacity, version, version_read_at)"
    " VALUES (gen_random_uuid(), 'default', 'http://127.0.0.1:1', 'none', true, 10000, '2.3.6', now())",
    "INSERT INTO units (id, tenant_id, name, slug) SELECT gen_random_uuid(), t.id, 'Unit ' || n, 'unit-' || n"
    " FROM tenants t, generate_series(1, %(units)s) n",
    "INSERT INTO unit_whatsapp_connections (id, tenant_id, unit_id, evolution_server_id, instance_name,"
    " instance_made_at, status, status_reason, connected_at) SELECT gen_random_uuid(), u.tenant_id, u.id, s.id,"
    " 'unit_' || u.id, now(), 'connected', 'scan_completed', now() FROM units u, evolution_servers s",
    "INSERT INTO lanes (unit_id, tenant_id, evolution_server_id, is_open, has_work)"
    " SELECT unit_id, tenant_id, evolution_server_id, true, false FROM unit_whatsapp_connections",
    "CREATE TEMP TABLE people AS SELECT n, gen_random_uuid() AS id, 1 + n %% %(units)s AS unit,"
    " now() - random() ^ 1.5 * interval '729 days' AS last_at, random() AS chance,"
    " CASE WHEN n = 1 THEN %(big)s ELSE %(each)s END AS messages FROM generate_series(1, %(conversations)s) n",
    "UPDATE people SET last_at = now() - interval '10 minutes' WHERE n = 1",
    f"ALTER TABLE people ADD conversation_id uuid; UPDATE people SET conversation_id = {ID_AT.format(at='last_at')}",
    "INSERT INTO contacts (id, tenant_id, phone, whatsapp_number, name) SELECT p.id, t.id,"
    " '55119' || lpad(n::text, 8, '0'), '55119' || lpad(n::text, 8, '0'),"
    " CASE WHEN n %% 5000 = 7 THEN %(name)s ELSE (%(first)s::text[])[1 + n %% 20] || ' ' ||"
    " (%(last)s::text[])[1 + n / 20 %% 20] || ' ' || n END FROM people p, tenants t",
    "CREATE TEMP TABLE written AS SELECT p.conversation_id, p.unit, p.n, k,"
    " p.last_at - k * interval '23 minutes' - CASE WHEN k > 6 THEN k * interval '5 hours' ELSE '0' END AS at,"
    " (p.n + k) %% 3 = 0 AS is_ours,"
    " CASE WHEN (p.n * 31 + k) %% 100000 = 777 THEN %(rare)s || ' ' ELSE '' END ||"
    " (SELECT string_agg((%(words)s::text[])[floor(exp(random() * ln(%(many)s::float)))], ' ')"
    "  FROM generate_series(1, 3 + (p.n * 7 + k * 5) %% 15)) ||"
    " CASE WHEN (p.n + k) %% 10 = 0 THEN ' ' || (p.n * 1000 + k)::text ELSE '' END AS body"
    " FROM people p, LATERAL generate_series(0, p.messages - 1) k",
    "INSERT INTO conversations (id, tenant_id, unit_id, contact_id, status, unread, last_message_at,"
    " last_message_preview, last_message_direction, last_message_kind, last_inbound_at) SELECT p.conversation_id,"
    " u.tenant_id, u.id, p.id, CASE WHEN p.last_at > now() - interval '20 days' AND chance < 0.7 OR chance < 0.01"
    " THEN 'open' ELSE 'closed' END, CASE WHEN p.last_at > now() - interval '2 days' AND chance < 0.3 THEN 2 ELSE 0"
    " END, w.at, left(w.body, 200), CASE WHEN is_ours THEN 'outbound' ELSE 'inbound' END, 'text', w.at"
    " FROM people p JOIN units u ON u.slug = 'unit-' || p.unit JOIN written w ON w.n = p.n AND w.k = 0",
    # In the order in which they came, as a table is that was filled by living.
    "INSERT INTO messages (id, tenant_id, unit_id, conversation_id, direction, kind, body, status, source, external_id,"
    f" occurred_at, created_at, sent_at, accepted_at, read_at) SELECT {ID_AT.format(at='w.at')}, u.tenant_id, u.id,"
    " w.conversation_id, CASE WHEN is_ours THEN 'outbound' ELSE 'inbound' END, 'text', w.body,"
    " CASE WHEN is_ours THEN 'read' ELSE 'received' END, CASE WHEN is_ours THEN 'person' END,"
    " '3EB0' || upper(substr(md5(w.n || '-' || w.k), 1, 18)), w.at, w.at, CASE WHEN is_ours THEN w.at END,"
    " CASE WHEN is_ours THEN w.at END, w.at FROM written w JOIN units u ON u.slug = 'unit-' || w.unit ORDER BY w.at",
    DOCUMENT_INDEX,
    "VACUUM ANALYZE",
)
FIRST_NAMES = (
    "Ana Bruno Carla Diego Elisa Fábio Gabriela Hugo Inês João Karina Lucas Maria Nuno Olívia Paulo Rita Sérgio Tânia"
    " Vítor"
)
LAST_NAMES = (
    "Almeida Barbosa Cardoso Dias Esteves Ferreira Gomes Henriques Ibrahim Jardim Klein Lima Melo Nunes Oliveira"
    " Pereira Queiroz Ramos Silva Teixeira"
)


def fill(stage: Stage, messages: int) -> None:
    """So many messages, of which one conversation has 5,000 and each other one 20."""
    values = {
        "units": UNITS,
        "each": MESSAGES_EACH,
        "big": min(BIG_THREAD_MESSAGES, messages // 2),
        "conversations": 1 + (messages - min(BIG_THREAD_MESSAGES, messages // 2)) // MESSAGES_EACH,
        "name": NAME,
        "first": FIRST_NAMES.split(),
        "last": LAST_NAMES.split(),
        "rare": RARE_WORD,
        "words": WORDS.split(),
        "many": len(WORDS.split()) + 1,
    }
    with stage.connect() as connection:
        for statement in SETTING_UP:
            has_places = "%(" in statement
            connection.execute(statement, values if has_places else None)


def assign(stage: Stage, email: str) -> None:
    """Of the open conversations every third is that person's, and every third nobody's."""
    stage.run(
        "UPDATE conversations c SET assigned_to_id = (SELECT id FROM users WHERE email = CASE WHEN n %% 3 = 0 THEN %s"
        " ELSE 'agent@bench.test' END) FROM (SELECT id, row_number() OVER (ORDER BY last_message_at, id) AS n"
        " FROM conversations WHERE status = 'open') numbered WHERE numbered.id = c.id AND n %% 3 < 2",
        email,
    )
    stage.run("VACUUM ANALYZE conversations")


def quiet_conversation(stage: Stage, company: str = "bench") -> str:
    return _text(
        stage,
        "SELECT c.id FROM conversations c JOIN tenants t ON t.id = c.tenant_id WHERE t.slug = %s AND unread = 0"
        " ORDER BY last_message_at DESC OFFSET 20 LIMIT 1",
        company,
    )


def conversation_of(stage: Stage, phone: str) -> str:
    query = "SELECT c.id FROM conversations c JOIN contacts p ON p.id = c.contact_id WHERE p.phone = %s"
    return _text(stage, query, phone)


def deep_position(stage: Stage) -> str:
    """A place in the list behind nine tenths of what is resolved."""
    return _text(
        stage,
        "SELECT to_char(last_message_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') || '~' || id"
        " FROM conversations WHERE status = 'closed' ORDER BY last_message_at DESC"
        " OFFSET (SELECT count(*) * 9 / 10 FROM conversations WHERE status = 'closed') LIMIT 1",
    )


def deep_message(stage: Stage) -> str:
    """A place among all messages behind nine tenths of them."""
    return _text(
        stage,
        "SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') || '~' || id FROM messages"
        " ORDER BY id DESC OFFSET (SELECT count(*) * 9 / 10 FROM messages) LIMIT 1",
    )


def middle_position(stage: Stage, phone: str) -> str:
    return _text(
        stage,
        "SELECT to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') || '~' || id FROM messages"
        " WHERE conversation_id = %s ORDER BY occurred_at DESC OFFSET 1000 LIMIT 1",
        conversation_of(stage, phone),
    )


def measure_inserts(stage: Stage) -> dict[str, float]:
    """Seconds to insert 100,000 messages in transactions of 500, with the search's index and without; and the ratio."""
    took: dict[bool, list[float]] = {True: [], False: []}
    with stage.connect() as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "CREATE TEMP TABLE coming AS SELECT row_number() OVER () AS n, tenant_id, unit_id, conversation_id,"
            " direction, body, status FROM messages ORDER BY occurred_at DESC LIMIT 100000"
        )
        connection.execute("CREATE INDEX ON coming (n)")
        for _run in range(INSERT_RUNS):
            for has_index in (True, False):
                connection.execute(DOCUMENT_INDEX if has_index and _run else "SELECT 1")
                if not has_index:
                    connection.execute("DROP INDEX ix_messages_document")
                took[has_index].append(_insert_all(connection))
    with_it, without = min(took[True]), min(took[False])
    return {"insert with the index, s": with_it, "insert without it, s": without, "ratio": with_it / without}


def _insert_all(connection: "psycopg.Connection[tuple[object, ...]]") -> float:
    began_at = time.perf_counter()
    for first in range(0, INSERTED, TOGETHER):
        connection.execute(
            "INSERT INTO messages (id, tenant_id, unit_id, conversation_id, direction, kind, body, status, occurred_at)"
            " SELECT gen_random_uuid(), tenant_id, unit_id, conversation_id, direction, 'text', body, status, now()"
            " FROM coming WHERE n > %s AND n <= %s",
            (first, first + TOGETHER),
        )
    seconds = time.perf_counter() - began_at
    connection.execute("DELETE FROM messages WHERE external_id IS NULL")
    connection.execute("VACUUM ANALYZE messages")
    return seconds


def _text(stage: Stage, query: str, *values: object) -> str:
    with stage.connect() as connection:
        row = connection.execute(query, values or None).fetchone()
    if row is None:
        raise RuntimeError("the company lacks what is to be measured")
    return str(row[0])
