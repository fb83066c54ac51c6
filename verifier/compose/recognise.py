"""What the services of a Compose file are: stores, migrations, tools for people, or services of the system."""

from __future__ import annotations

import re

from verifier.compose.model import Command, ComposeService, repository

# Databases and brokers that no store kind of the verifier knows, by the last part of their image: the port.
OTHERS = {
    "mysql": 3306, "mariadb": 3306, "percona": 3306, "mongo": 27017, "memcached": 11211, "valkey": 6379, "kafka": 9092,
    "cp-kafka": 9092, "redpanda": 9092, "zookeeper": 2181, "minio": 9000, "elasticsearch": 9200, "opensearch": 9200,
    "clickhouse-server": 8123, "cassandra": 9042, "cockroach": 26257, "etcd": 2379, "consul": 8500, "mssql": 1433,
    "localstack": 4566, "activemq": 61616, "keydb": 6379, "timescaledb": 5432, "postgis": 5432, "pgvector": 5432,
}  # fmt: skip
TOOLS = frozenset(
    {
        "adminer", "pgadmin4", "phpmyadmin", "redisinsight", "redis-commander", "mongo-express", "kafka-ui", "mailhog",
        "mailpit", "grafana", "prometheus", "jaeger", "all-in-one", "zipkin", "loki", "promtail", "tempo", "cadvisor",
        "node-exporter", "portainer", "watchtower", "dozzle",
    }
)  # fmt: skip
_MIGRATION_NAME = re.compile(r"(^|[-_])(migrat\w*|flyway|liquibase|alembic|db-?init|schema)([-_]|$)")
_MIGRATION_COMMAND = re.compile(
    r"\balembic\b.*\bupgrade\b|\bflyway\b.*\bmigrate\b|\bliquibase\b.*\bupdate\b|\bmigrate\b.*\bup\b|\bgoose\b.*\bup\b"
    r"|manage\.py migrate|\bdb:migrate\b|\bprisma\b.*\bmigrate\b|\bknex\b.*\bmigrate|\bsequelize\b.*db:migrate"
    r"|\btypeorm\b.*migration:run|\bdbmate\b.*\bup\b|\batlas\b.*\bapply\b|artisan migrate|\bdiesel migration run\b"
    r"|\b(?:npm|pnpm|yarn)(?: run)? [\w:-]*migrat"
)


def line(command: Command) -> str:
    return command if isinstance(command, str) else " ".join(command)


def last(image: str) -> str:
    """The last part of the name of an image: `bitnami/redis:7` is `redis`."""
    return repository(image).rpartition("/")[2]


def migrates(command: Command) -> bool:
    """Whether a command runs migrations, by the names of the tools that do."""
    return bool(_MIGRATION_COMMAND.search(line(command)))


def is_migration(service: ComposeService) -> bool:
    """A service that runs once and migrates: by its name, or by its command if it has no port."""
    named = bool(_MIGRATION_NAME.search(service.name)) or last(service.image) in ("flyway", "liquibase")
    return not service.ports and (named or migrates(service.command))


def is_tool(service: ComposeService) -> bool:
    return last(service.image) in TOOLS
