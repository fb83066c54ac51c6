"""A corpus of planted secrets: each exchange carries some, in all places of a message. None of them is a real one.

Whatever would look like a real key to a scanner is put together here, so that it stands in no file.
"""

from __future__ import annotations

import base64
import html
import json
import random
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

from verifier.http.message import Headers, Request, Response
from verifier.recording.model import Exchange

JSON = (("Content-Type", "application/json"),)
FORM = (("Content-Type", "application/x-www-form-urlencoded"),)
XML = (("Content-Type", "text/xml; charset=utf-8"),)
TEXT = (("Content-Type", "text/plain"),)
LETTERS = string.ascii_letters + string.digits


@dataclass
class Corpus:
    """Exchanges, and the secrets in them by where they stand."""

    exchanges: list[Exchange] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    chance: random.Random = field(default_factory=lambda: random.Random(20))

    def new(self, where: str, secret: str = "") -> str:
        """A secret to plant."""
        secret = secret or f"S3cr-{self.letters(10)}"
        assert where not in self.secrets and secret not in self.secrets.values(), where
        self.secrets[where] = secret
        return secret

    def letters(self, count: int, of: str = LETTERS) -> str:
        return "".join(self.chance.choice(of) for _ in range(count))

    def digits(self, count: int) -> str:
        return self.chance.choice("123456789") + self.letters(count - 1, string.digits)

    def add(
        self, target: str = "/a", sent: Headers = (), body: str = "", answered: Headers = (), text: str = ""
    ) -> None:
        request = Request("POST", target, sent, body.encode())
        at = float(len(self.exchanges))
        self.exchanges.append(Exchange(request, Response(200, answered, text.encode()), "shop:8080", at, 0.1))


def card(corpus: Corpus, begin: str = "4", size: int = 16) -> str:
    """A card number with a right check digit."""
    digits = begin + corpus.letters(size - len(begin) - 1, string.digits)
    doubled = [int(digit) * (2 - at % 2) for at, digit in enumerate(reversed(digits))]
    return digits + str(-sum(number - 9 if number > 9 else number for number in doubled) % 10)


def iban(corpus: Corpus) -> str:
    account = corpus.digits(18)
    return f"DE{98 - int(f'{account}131400') % 97:02d}{account}"


def jwt(corpus: Corpus) -> str:
    parts = [json.dumps({"alg": "HS256"}), json.dumps({"sub": corpus.letters(8)})]
    coded = [base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts]
    return ".".join([*coded, corpus.letters(43)])


HEADERS = [
    "Authorization", "Proxy-Authorization", "X-Api-Key", "X-Auth-Token", "X-CSRF-Token", "X-XSRF-TOKEN",
    "X-Vault-Token", "X-Amz-Security-Token", "X-Goog-Api-Key", "PRIVATE-TOKEN", "JOB-TOKEN", "DD-API-KEY",
    "DD-APPLICATION-KEY", "Ocp-Apim-Subscription-Key", "X-Shopify-Access-Token", "X-Functions-Key",
    "X-Algolia-API-Key", "X-RapidAPI-Key", "X-Parse-Session-Token", "CF-Access-Client-Secret", "X-Session-Id",
    "X-Auth-Key", "X-Gitlab-Token", "Fastly-Key", "X-Forwarded-Authorization", "X-Client-Secret", "X-User-Password",
    "Api-Key", "X-Otp", "CB-ACCESS-PASSPHRASE",
]  # fmt: skip
FIELDS = [
    "password", "passwd", "pwd", "pass", "user_pass", "newPassword", "password_confirmation", "passphrase", "secret",
    "clientSecret", "token", "accessToken", "refresh_token", "id_token", "deviceToken", "apiKey", "api_key",
    "x-api-key", "session_id", "sessionToken", "sid", "csrf", "_csrf", "xsrfToken", "otp", "pin", "cvv", "cvc",
    "securityCode", "iban", "ssn", "cardNumber", "card_number", "authorization", "SAMLResponse", "assertion",
    "client_assertion", "privateKey", "secretAccessKey", "verification_code", "authenticity_token", "code_verifier",
    "recoveryCode", "jwt",
]  # fmt: skip


def headers(corpus: Corpus) -> None:
    for name in HEADERS:
        secret = corpus.new(f"header {name}")
        corpus.add(sent=((name, f"Bearer {secret}" if "uthorization" in name else secret),))
    basic = base64.b64encode(f"anna.k:{corpus.new('basic password')}".encode()).decode()
    corpus.add(sent=(("Authorization", f"Basic {corpus.new('basic', basic)}"),))
    corpus.add(answered=(("Set-Cookie", f"SESSION={corpus.new('set-cookie')}; Path=/; HttpOnly"),))
    corpus.add(sent=(("Cookie", f"lang=en; JSESSIONID={corpus.new('cookie')}; b={corpus.new('cookie 2')}"),))
    corpus.add(sent=(("Referer", f"http://shop/reset?token={corpus.new('referer')}&x=1"),))
    fragment = f"http://app/#access_token={corpus.new('fragment')}&x=1"
    corpus.add(answered=(("Location", f"http://app/cb?code={corpus.new('redirect code')}&state=x"), ("Link", fragment)))
    corpus.add(answered=(("X-Debug", f"password={corpus.new('in a header')}"),))


def fields(corpus: Corpus) -> None:
    for name in FIELDS:
        corpus.add(sent=JSON, body=json.dumps({"user": {"n": 1, name: corpus.new(f"JSON {name}")}}))
    for name in FIELDS[::3]:
        corpus.add(sent=FORM, body=f"a=1&{name}={quote_plus(corpus.new(f'form {name}'))}&b=2")
        corpus.add(f"/a?x=1&{name}={quote(corpus.new(f'query {name}'))}")
        corpus.add(answered=JSON, text=json.dumps([{name: [corpus.new(f"answered {name}")]}]))
        corpus.add(sent=XML, body=f"<a><b>1</b><c:{name}>{corpus.new(f'element {name}')}</c:{name}></a>")
        part = f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{corpus.new(f"part {name}")}\r\n--b--\r\n'
        corpus.add(sent=(("Content-Type", "multipart/form-data; boundary=b"),), body=part)
    corpus.add(sent=FORM, body=f"user[password]={corpus.new('bracket')}&user.pin={corpus.new('dotted')}")
    corpus.add(sent=FORM, body=f"grant_type=authorization_code&code={corpus.new('OAuth code')}")
    corpus.add(sent=JSON, body=json.dumps({"grant_type": "x", "code": corpus.new("OAuth code in JSON")}))
    corpus.add(sent=FORM, body=json.dumps({"password": corpus.new("JSON that is called a form")}))
    corpus.add(body=f"user=x&password={corpus.new('form without a type')}")
    for name in ("pin", "otp", "cvv", "card_number"):
        corpus.add(sent=JSON, body=f'{{"{name}": {corpus.new(f"number {name}", corpus.digits(9))}}}')


def documents(corpus: Corpus) -> None:
    inner = json.dumps({"password": corpus.new("JSON in JSON", 'q"\\' + corpus.letters(9))})
    corpus.add(sent=JSON, body=json.dumps({"payload": inner}))
    corpus.add(sent=JSON, body=json.dumps({"name": "password", "value": corpus.new("pair")}))
    pairs = [{"key": "X-Api-Key", "value": corpus.new("pair of a header")}]
    corpus.add(
        sent=JSON, body=json.dumps({"headers": pairs, "card": {"number": corpus.new("number of a card", card(corpus))}})
    )
    corpus.add(sent=JSON, body=json.dumps({"session": {"id": corpus.new("id of a session")}}))
    corpus.add(sent=JSON, body='{"n": 1}\n' + json.dumps({"token": corpus.new("in lines")}) + "\n")
    corpus.add(sent=JSON, body=f'{{"a": [1, 2], "password": "{corpus.new("cut short")}')
    variables = {"in": {"password": corpus.new("GraphQL variable")}}
    query = f'mutation {{ login(email: "a@b.c", password: "{corpus.new("GraphQL argument")}", pin: 1) {{ id }} }}'
    corpus.add(sent=JSON, body=json.dumps({"query": query, "variables": variables}))
    coded = quote_plus(json.dumps({"apiKey": corpus.new("GraphQL variable in a query")}))
    corpus.add(f"/graphql?query=q&variables={coded}")
    corpus.add(
        sent=(("Content-Type", "application/graphql"),), body=f'{{ a(token: "{corpus.new("GraphQL body")}") {{ b }} }}'
    )
    envelope = (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header><wsse:Security><wsse:UsernameToken>'
        f'<wsse:Username>anna</wsse:Username><wsse:Password Type="#PasswordText">{corpus.new("SOAP password")}'
        f"</wsse:Password></wsse:UsernameToken><saml:Assertion><saml:X>{corpus.new('SAML')}</saml:X></saml:Assertion>"
        "</wsse:Security></s:Header></s:Envelope>"
    )
    corpus.add(sent=XML, body=envelope)
    corpus.add(
        sent=XML,
        body=f'<login user="anna" password="{corpus.new("attribute", corpus.letters(9) + "&")}"/>'.replace(
            "&", "&amp;"
        ),
    )
    corpus.add(sent=XML, body=f"<a><pwd><![CDATA[{corpus.new('CDATA')}]]></pwd></a>")
    corpus.add(sent=XML, body=f'<p><param name="password" value="{corpus.new("param")}"/></p>')
    corpus.add(sent=XML, body=f"<p><item><name>apiKey</name><value>{corpus.new('name and value')}</value></item></p>")
    corpus.add(sent=XML, body=f'<p><entry key="secret">{corpus.new("entry")}</entry></p>')
    form = f'<form><input type="hidden" name="csrf_token" value="{corpus.new("HTML input")}"></form>'
    page = f'<html><head><meta name="csrf-token" content="{corpus.new("HTML meta")}"></head><br>{form}</html>'
    corpus.add(answered=(("Content-Type", "text/html"),), text=page)


def parts(corpus: Corpus) -> None:
    inner = f'--i\r\nContent-Disposition: form-data; name="pwd"\r\n\r\n{corpus.new("nested part")}\r\n--i--\r\n'
    batch = (
        f"GET /x?api_key={corpus.new('batched query')} HTTP/1.1\r\nAuthorization: Bearer {corpus.new('batched header')}"
        f'\r\nContent-Type: application/json\r\n\r\n{{"password": "{corpus.new("batched body")}"}}'
    )
    body = (
        f"--o\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n{inner}\r\n"
        f"--o\r\nContent-Type: application/http\r\n\r\n{batch}\r\n"
        f"--o\r\nX-Api-Key: {corpus.new('header of a part')}\r\n\r\nplain\r\n"
        f'--o\r\nContent-Type: application/json\r\n\r\n{{"otp": "{corpus.new("JSON part")}"}}\r\n--o--\r\n'
    )
    corpus.add(sent=(("Content-Type", "multipart/mixed; boundary=o"),), body=body)


def paths(corpus: Corpus) -> None:
    for before in ("reset", "verify-email", "tokens", "magic-link", "api-keys", "invitations", "activate"):
        corpus.add(f"/v1/{before}/{corpus.new(f'path after {before}', corpus.letters(22) + '7f')}?x=1")
    corpus.add(f"/basket;jsessionid={corpus.new('matrix parameter')}?x=1")
    corpus.add(f"/cards/{corpus.new('card in a path', card(corpus, '5211'))}/limits")
    corpus.add(f"/in/{corpus.new('JWT in a path', jwt(corpus))}")


def texts(corpus: Corpus) -> None:
    for line, where in (
        ("login with password={} failed", "log line"),
        ('config: api_key: "{}"', "quoted in a text"),
        ("Authorization: Bearer {}", "header in a text"),
        ("see http://x/y?token={} for more", "link in a text"),
        ("connect to postgres://shop:{}@db:5432/shop", "address of a database"),
        ("<not xml password='{}'", "broken markup"),
    ):
        corpus.add(sent=TEXT, body=line.format(corpus.new(where)))
        corpus.add(sent=JSON, body=json.dumps({"message": line.format(corpus.new(f"{where} in JSON"))}))


SHAPES: dict[str, Callable[[Corpus], str]] = {
    "JWT": jwt,
    "PEM": lambda c: "-----BEGIN RSA PRIVATE " + f"KEY-----\n{c.letters(64)}\n-----END RSA PRIVATE KEY-----",
    "AWS": lambda c: "AK" + "IA" + c.letters(16, string.ascii_uppercase + string.digits),
    "GitHub": lambda c: "gh" + "p_" + c.letters(36),
    "GitHub, fine-grained": lambda c: "github" + "_pat_" + c.letters(40),
    "GitLab": lambda c: "gl" + "pat-" + c.letters(20),
    "Slack": lambda c: "xo" + "xb-" + c.digits(12) + "-" + c.letters(24),
    "Stripe": lambda c: "sk" + "_live_" + c.letters(24),
    "Stripe, restricted": lambda c: "rk" + "_test_" + c.letters(24),
    "Google": lambda c: "AI" + "za" + c.letters(35),
    "Google OAuth": lambda c: "ya" + "29." + c.letters(40),
    "OpenAI": lambda c: "sk" + "-proj-" + c.letters(20) + "1" + c.letters(20),
    "Anthropic": lambda c: "sk" + "-ant-api03-" + c.letters(40),
    "SendGrid": lambda c: "S" + "G." + c.letters(22) + "." + c.letters(43),
    "Twilio": lambda c: "S" + "K" + c.letters(32, "0123456789abcdef"),
    "npm": lambda c: "np" + "m_" + c.letters(36),
    "PyPI": lambda c: "py" + "pi-" + c.letters(60),
    "Telegram": lambda c: c.digits(9) + ":A" + "A" + c.letters(33),
    "DigitalOcean": lambda c: "do" + "p_v1_" + c.letters(64, "0123456789abcdef"),
    "Shopify": lambda c: "shp" + "at_" + c.letters(32, "0123456789abcdef"),
    "Vault": lambda c: "hv" + "s." + c.letters(24),
    "Visa": card,
    "American Express": lambda c: card(c, "37", 15),
    "Visa in groups": lambda c: " ".join(map("".join, zip(*[iter(card(c))] * 4, strict=True))),
    "IBAN": iban,
}  # fmt: skip


def labelled(corpus: Corpus) -> None:
    """Secrets that something else in the document names."""
    for where, value in {
        "tokens": {"tokens": {"access": "SECRET"}},
        "listed tokens": {"tokens": ["SECRET"]},
        "fieldName": {"fields": [{"fieldName": "password", "fieldValue": "SECRET"}]},
        "pair in a list": [["password", "SECRET"], ["user", "anna"]],
        "JSON patch": [{"op": "replace", "path": "/user/password", "value": "SECRET"}],
        "type": {"type": "password", "value": "SECRET"},
        "credentials": {"credentials": {"username": "anna", "password": "SECRET"}},
        "form in JSON": {"form": "a=1&password=SECRET"},
        "XML in JSON": {"xml": "<a><password>SECRET</password></a>"},
        "pair in GraphQL": {"query": 'mutation { a(in: {name: "password", value: "SECRET"}) { b } }'},
        "block string": {"query": 'mutation { a(password: """SECRET""") { b } }'},
    }.items():
        corpus.add(sent=JSON, body=json.dumps(value).replace("SECRET", corpus.new(where)))
    for where, text in {
        "value in an element": "<a><Token><Value>SECRET</Value></Token></a>",
        "XML-RPC": "<member><name>password</name><value><string>SECRET</string></value></member>",
        "property list": "<dict><key>user</key><string>anna</string><key>password</key><string>SECRET</string></dict>",
        "SAML attribute": "<a><Attribute Name='password'><AttributeValue>SECRET</AttributeValue></Attribute></a>",
        "number in card": "<card><number>SECRET</number></card>",
    }.items():
        corpus.add(sent=XML, body=text.replace("SECRET", corpus.new(where)))
    for where, text in {
        "said": "Your password is SECRET.", "flag": "shop --password SECRET --user anna", "curl": "curl -u anna:SECRET http://x",
        "YAML": "user: anna\napi_key: SECRET\n", "shell": "export API_KEY='SECRET'", "Python": "{'password': 'SECRET'}",
        "script": "window.csrfToken = 'SECRET';", "callback": 'cb({"token":"SECRET"})',
    }.items():  # fmt: skip
        corpus.add(sent=TEXT, body=text.replace("SECRET", corpus.new(where)))
    corpus.add(answered=JSON, text=json.dumps({"m": f"Your OTP is {corpus.new('said OTP', corpus.digits(8))}"}))
    table = (("Content-Type", "text/csv"),)
    corpus.add(answered=table, text=f"id,password,note\n1,{corpus.new('column')},a\n2,{corpus.new('column 2')},b\n")
    corpus.add(f"/otp/{corpus.new('OTP in a path', corpus.digits(7))}")
    corpus.add(f"/oauth/callback?code={corpus.new('code alone')}")


def shapes(corpus: Corpus) -> None:
    for number, (name, make) in enumerate(SHAPES.items()):
        inside, alone = corpus.new(f"{name} in a text", make(corpus)), corpus.new(f"{name} alone", make(corpus))
        corpus.add(sent=JSON, body=json.dumps({"note": f"use {inside} for it", "n": number}))
        corpus.add(answered=TEXT, text=f"{alone}\n")
    corpus.add(sent=JSON, body=json.dumps({"key": corpus.new("random beside key", f"{corpus.letters(26)}4d")}))


def later(corpus: Corpus) -> None:
    """What nobody can know to be secret before a later request says so, and in another form."""
    secret = corpus.new("known later", corpus.letters(20) + "/+")
    corpus.add(answered=JSON, text=json.dumps({"reference": secret, "n": 1}))
    corpus.add(f"/find?q={quote(secret, safe='')}")
    corpus.add(sent=(("X-Auth-Token", secret),))
    corpus.add(answered=TEXT, text=f"and {secret} once more")


def planted() -> Corpus:
    corpus = Corpus()
    for plant in (headers, fields, documents, labelled, parts, paths, texts, shapes, later):
        plant(corpus)
    return corpus


def forms(secret: str) -> set[str]:
    """How a secret could be read in a file of JSON."""
    found = {secret, html.escape(secret), quote(secret, safe=""), quote_plus(secret)}
    for _ in range(3):  # a string in a document in a document
        found |= {json.dumps(form)[1:-1] for form in found}
    return found | {base64.b64encode(secret.encode()).decode().rstrip("=")[:-1]}
