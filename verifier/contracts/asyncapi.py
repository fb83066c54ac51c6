"""AsyncAPI 2 and 3 documents as contracts: the messages on each channel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from verifier.contracts.document import Documents, Location
from verifier.contracts.model import Contract, MessageContract
from verifier.contracts.parts import Parts, plain_media

_JSON_FORMATS = (
    "application/vnd.aai.asyncapi",
    "application/schema+json",
    "application/schema+yaml",
    "application/json",
)


def read(documents: Documents) -> Contract:
    """The contract of an AsyncAPI document. Raises BadInput with the place of the problem."""
    return _Reader(documents).contract()


class _Reader(Parts):
    def __init__(self, documents: Documents) -> None:
        super().__init__(documents, old_dialect=False)
        self.media = plain_media(str(self.root.get("defaultContentType") or "application/json"))

    def contract(self) -> Contract:
        info = self.info()
        found = self._channels3() if str(self.root["asyncapi"]).startswith("3") else self._channels2()
        messages: dict[tuple[str, str, bool], MessageContract] = {}
        for message in found:
            messages.setdefault((message.channel, message.name, message.sent), message)
        return Contract(
            title=str(info.get("title", "")),
            version=str(info.get("version", "")),
            file=str(self.documents.file),
            dialect="asyncapi",
            messages=tuple(messages.values()),
            guarantees=self.guarantees(self.root, self.top),
        )

    def _channels2(self) -> Iterator[MessageContract]:
        """Channels of version 2. `subscribe` is what others can subscribe to, so the owner sends it."""
        at = self.top.down("channels")
        for channel, raw in self.mapping(self.root.get("channels"), at).items():
            item, place = self.whole(raw, at.down(channel))
            for action, sent in (("subscribe", True), ("publish", False)):
                if action not in item:
                    continue
                operation, where = self.whole(item[action], place.down(action))
                declared, message_at = self.documents.follow(operation.get("message"), where.down("message"))
                for value, spot in self._choices(declared, message_at):
                    yield self._message(channel, "", value, spot, sent)

    def _choices(self, declared: Any, at: Location) -> Iterator[tuple[Any, Location]]:
        if isinstance(declared, dict) and "oneOf" in declared:
            for index, item in enumerate(self.items(declared["oneOf"], at.down("oneOf"))):
                yield item, at.down("oneOf", index)
        elif declared is not None:
            yield declared, at

    def _channels3(self) -> Iterator[MessageContract]:
        sent, received = self._actions()
        at = self.top.down("channels")
        for key, raw in self.mapping(self.root.get("channels"), at).items():
            item, place = self.whole(raw, at.down(key))
            address = str(item.get("address") or key)
            for name, value in self.mapping(item.get("messages"), place.down("messages")).items():
                spot = place.down("messages", name)
                if place in sent or place not in received:
                    yield self._message(address, name, value, spot, True)
                if place in received:
                    yield self._message(address, name, value, spot, False)

    def _actions(self) -> tuple[set[Location], set[Location]]:
        """The channels that operations send to, and those that they receive from."""
        found: dict[str, set[Location]] = {"send": set(), "receive": set()}
        at = self.top.down("operations")
        for name, raw in self.mapping(self.root.get("operations"), at).items():
            operation, place = self.whole(raw, at.down(name))
            action = operation.get("action")
            if action not in found:
                raise self.documents.bad(place.down("action"), "action must be send or receive")
            _, channel = self.whole(operation.get("channel"), place.down("channel"))
            found[action].add(channel)
        return found["send"], found["receive"]

    def _message(self, channel: str, key: str, raw: Any, at: Location, sent: bool) -> MessageContract:
        value, place = self.whole(raw, at)
        for index, trait in enumerate(self.items(value.get("traits"), place.down("traits"))):
            value = {**self.whole(trait, place.down("traits", index))[0], **value}
        name = str(value.get("name") or key or value.get("messageId") or place.pointer.rsplit("/", 1)[-1])
        payload, payload_at = self._payload(value, place)
        headers = self.schema(value.get("headers"), place.down("headers"), "response")
        media = plain_media(str(value.get("contentType") or self.media))
        schema = self.schema(payload, payload_at, "response")
        return MessageContract(f"{channel} {name}", channel, name, sent, schema, headers, f"#{place.pointer}", media)

    def _payload(self, value: dict[str, Any], at: Location) -> tuple[Any, Location]:
        payload, place = value.get("payload"), at.down("payload")
        form = value.get("schemaFormat")
        if isinstance(payload, dict) and "schemaFormat" in payload and "schema" in payload:
            form, payload, place = payload["schemaFormat"], payload["schema"], place.down("schema")
        if form is not None and not str(form).startswith(_JSON_FORMATS):
            raise self.documents.bad(at.down("schemaFormat"), f"{form} is not read here; JSON Schema is")
        return payload, place
