"""boto3, driven by the tests: one request a line on standard input, one answer a
line on standard output."""

import datetime
import json
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError

SESSION = boto3.session.Session()


def client_for(call):
    service = "marketplace-entitlement" if call["operation"] == "GetEntitlements" else "meteringmarketplace"
    if not call["endpoint"]:
        return SESSION.client(service)
    config = {"max_pool_connections": max(10, call.get("copies", 1))}
    if call["attempts"]:
        config["retries"] = {"total_max_attempts": call["attempts"]}
    signing = call.get("signing")
    if signing == "none":
        config["signature_version"] = UNSIGNED
    client = SESSION.client(
        service,
        endpoint_url=call["endpoint"],
        region_name=call["region"],
        aws_access_key_id=call["keyID"],
        aws_secret_access_key=call["secret"],
        config=Config(**config),
    )
    if signing and signing != "none":

        def resign(context, **_):
            context.setdefault("signing", {})["signing_name"] = signing

        client.meta.events.register("before-call.*.*", resign)
    return client


def method(operation):
    return "".join("_" + c.lower() if c.isupper() else c for c in operation).lstrip("_")


def send(client, call):
    try:
        output = getattr(client, method(call["operation"]))(**call["input"])
    except ParamValidationError as e:
        return {"refused": str(e)}
    except ClientError as e:
        meta, error = e.response["ResponseMetadata"], e.response["Error"]
        modelled = getattr(client.exceptions, error["Code"], None) if known(client, error["Code"]) else None
        return {
            "failure": {
                "name": error["Code"],
                "message": error.get("Message", ""),
                "status": meta["HTTPStatusCode"],
                "typed": modelled is not None and type(e) is modelled,
            },
            "attempts": meta.get("RetryAttempts", 0) + 1,
            "requestID": meta.get("RequestId", ""),
        }
    meta = output.pop("ResponseMetadata")
    return {"output": output, "attempts": meta["RetryAttempts"] + 1, "requestID": meta.get("RequestId", "")}


def known(client, code):
    return code in (shape.name for shape in client.meta.service_model.error_shapes)


def instant(value):
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat()
    raise TypeError(type(value))


def main():
    for line in sys.stdin:
        try:
            call = json.loads(line)["call"]
            client = client_for(call)
            copies = call.get("copies", 1)
            with ThreadPoolExecutor(copies) as pool:
                reply = {"answers": list(pool.map(lambda _: send(client, call), range(copies)))}
        except Exception:
            reply = {"trouble": traceback.format_exc()}
        print(json.dumps(reply, default=instant), flush=True)


main()
