"""A release whose records no longer say when they were changed: `dropped_field` in KINTO_INCLUDES.

It runs inside Kinto's environment.
"""


def includeme(config):
    config.add_tween("dropped_field.without_last_modified")


def without_last_modified(handler, registry):
    def tween(request):
        response = handler(request)
        if request.method == "GET" and "/records/" in request.path and response.status_code == 200:
            body = response.json
            del body["data"]["last_modified"]
            response.json = body
        return response

    return tween
