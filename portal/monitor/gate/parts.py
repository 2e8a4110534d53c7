"""Whether what the portal stands on answers: the database, Redis, the workers, the web, Evolution."""

from datetime import timedelta

from sqlalchemy import func, select

from portal.clock import now
from portal.db import db
from portal.evolution.client import EvolutionClient
from portal.evolution.errors import EvolutionError
from portal.evolution_versions import Support, range_of
from portal.extensions import parts
from portal.monitor.gate import live
from portal.monitor.gate.checks import Application, Check, Outcome, none_wrong
from portal.queries import health
from portal.queue import QUEUES
from portal.tenancy import across_tenants

WHY = "the gate asks for no tenant's rows"
OLDEST_DATABASE = 15
OLDEST_REDIS = (6, 2)
NEVER_EVICTS = "noeviction"
FURTHEST_CLOCK = timedelta(seconds=5)
USABLE = (Support.FULL, Support.LIMITED, Support.LICENSED)
# Evolution's own probe has 3 s to connect and 5 s to answer.
EVOLUTION_LIMIT_S = 10.0


def _look_at_database(application: Application) -> Outcome:
    settings = [func.current_setting(name) for name in ("server_version", "server_encoding")]
    with across_tenants(WHY):
        version, encoding = db.session.execute(select(*settings)).one()
    is_ok = int(version.partition(".")[0]) >= OLDEST_DATABASE and encoding == "UTF8"
    needed = "" if is_ok else f", needed are {OLDEST_DATABASE} or newer and UTF8"
    return is_ok, f"PostgreSQL {version.partition(' ')[0]}, {encoding}{needed}"


def _look_at_clock(application: Application) -> Outcome:
    """Signatures, sessions and turns of lanes are compared across machines."""
    with across_tenants(WHY):
        apart = abs(now() - db.session.scalars(select(func.clock_timestamp())).one())
    return apart < FURTHEST_CLOCK, f"{apart.total_seconds():.1f} s from the database's"


def _look_at_redis(application: Application) -> Outcome:
    told = parts.redis.info("server")
    # Valkey tells the version of Redis that it stands in for.
    version = str(told["redis_version"])
    is_ok = tuple(map(int, version.split(".")[:2])) >= OLDEST_REDIS
    needed = "" if is_ok else f", needed is {'.'.join(map(str, OLDEST_REDIS))} or newer"
    return is_ok, f"{told.get('server_name', 'redis')} {version}{needed}"


def _look_at_redis_memory(application: Application) -> Outcome:
    """Whatever may throw keys away throws away jobs and limits."""
    policy = str(parts.redis.info("memory").get("maxmemory_policy", "not told"))
    return policy == NEVER_EVICTS, f"maxmemory-policy {policy}" + (
        "" if policy == NEVER_EVICTS else f", needed is {NEVER_EVICTS}"
    )


def _look_at_workers(application: Application) -> Outcome:
    ages = health.worker_ages_s()
    oldest_s = health.OLDEST_HEARTBEAT.total_seconds()
    silent = [queue for queue in QUEUES if ages.get(queue, oldest_s) >= oldest_s]
    return none_wrong([f"none on {queue}" for queue in silent], f"one or more on each of {', '.join(QUEUES)}")


def _look_at_web(application: Application) -> Outcome:
    answer = live.fetch("GET", "/health")
    is_ours = answer.status == 200 and live.told(answer).get("status") == "ok"
    return is_ours, f"BASE_URL/health answers {answer.status}" + ("" if is_ours else ", not as the portal does")


def _look_at_evolution(application: Application) -> Outcome:
    try:
        _evolution().verify_key()
    except EvolutionError as e:
        return False, e.code
    return True, "answers and takes the key"


def _look_at_evolution_version(application: Application) -> Outcome:
    try:
        version = _evolution().version()
    except EvolutionError as e:
        return False, f"not told: {e.code}"
    known = range_of(version)
    limits = f", with limits: {', '.join(known.limits)}" if known.limits else ""
    return known.support in USABLE, f"{version or 'none told'}, support {known.support.value}{limits}"


def _evolution() -> EvolutionClient:
    config = parts.config
    return EvolutionClient(config.evolution_api_url, config.evolution_api_key)


CHECKS = (
    Check("database", _look_at_database),
    Check("clock", _look_at_clock),
    Check("redis", _look_at_redis),
    Check("redis memory", _look_at_redis_memory),
    Check("workers", _look_at_workers, is_live=True),
    Check("web", _look_at_web, is_live=True),
    Check("evolution", _look_at_evolution, limit_s=EVOLUTION_LIMIT_S),
    Check("evolution version", _look_at_evolution_version, limit_s=EVOLUTION_LIMIT_S),
)
