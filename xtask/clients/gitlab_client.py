"""Uses Stocktake through python-gitlab, as a client written for GitLab would.

Usage: gitlab_client.py BASE_URL TOKEN SAMPLE_JSON

SAMPLE_JSON is a list of objects with `model`, `identifier` (as in a path), `checksum` (null if the record must have
failed) and `failure` (null if it must have succeeded), grouped by model and in the order of the keys.
"""

import json
import sys
import time
from itertools import groupby

import gitlab
from gitlab.base import RESTObject
from gitlab.mixins import RetrieveMixin

TIMEOUT_SECONDS = 60


class DataManagementRecord(RESTObject):
    """One record of a model."""

    _id_attr = "record_identifier"
    _repr_attr = "model_class"


def manager(client, model):
    """A manager as python-gitlab defines them: `list`, and `get` by identifier."""

    class DataManagementManager(RetrieveMixin):
        _path = f"/admin/data_management/{model}"
        _obj_cls = DataManagementRecord

    return DataManagementManager(client)


def assert_equal(found, wanted, what):
    assert found == wanted, f"{what}: found {found!r}, expected {wanted!r}"


def assert_is(record, wanted):
    """Checks that the record is as the sample says."""
    what = f"{wanted['model']}/{wanted['identifier']}"
    assert_equal(str(record["record_identifier"]), wanted["identifier"], what)
    information = record["checksum_information"]
    assert_equal(information["checksum_state"], "succeeded" if wanted["checksum"] else "failed", what)
    assert_equal(information["checksum"], wanted["checksum"], what)
    assert_equal(information["checksum_failure"], wanted["failure"], what)
    assert information["last_checksum"] is not None, what


def walk_keyset(client, model, wanted):
    """Reads all pages by keyset: the client follows the `Link` headers."""
    path = f"/admin/data_management/{model}"
    pages = client.http_list(path, pagination="keyset", per_page=25, iterator=True)
    found = list(pages)
    assert_equal(len(found), len(wanted), f"{model} by keyset")
    for record, expected in zip(found, wanted):
        assert_is(record, expected)


def walk_offset(client, model, wanted):
    """Reads all pages by offset, with the totals."""
    records = manager(client, model).list(iterator=True, per_page=20)
    assert_equal(records.total, len(wanted), f"{model}: total")
    assert_equal(records.total_pages, -(-len(wanted) // 20), f"{model}: pages")
    assert_equal(records.current_page, 1, f"{model}: page")
    assert records.prev_page is None
    found = list(records)
    assert_equal(len(found), len(wanted), f"{model} by offset")
    for record, expected in zip(found, wanted):
        assert_is(record.attributes, expected)
    everything = manager(client, model).list(get_all=True, sort="desc")
    assert_equal([str(record.get_id()) for record in reversed(everything)], [r["identifier"] for r in wanted], model)


def read_one(client, model, wanted):
    """Reads single records, by integer or composite key, and one that does not exist."""
    for expected in (wanted[0], wanted[-1]):
        assert_is(manager(client, model).get(expected["identifier"]).attributes, expected)
    try:
        manager(client, model).get(987654321)
    except gitlab.exceptions.GitlabGetError as error:
        assert_equal((error.response_code, error.error_message), (404, "404 987654321 Not Found"), "unknown record")
    else:
        raise AssertionError("a record was found that does not exist")


def recalculate_one(client, wanted):
    """Recalculates one record, which succeeds or fails as the sample says."""
    path = f"/admin/data_management/{wanted['model']}/{client_id(wanted)}/checksum"
    if wanted["checksum"] is None:
        try:
            client.http_put(path)
        except gitlab.exceptions.GitlabHttpError as error:
            message = f"400 Bad request - Verifying {wanted['model']}/{wanted['identifier']} failed."
            assert_equal((error.response_code, error.error_message), (400, message), path)
        else:
            raise AssertionError(f"{path} succeeded")
        return
    before = client.http_get(path.removesuffix("/checksum"))["checksum_information"]["last_checksum"]
    after = client.http_put(path)
    assert_is(after, wanted)
    assert after["checksum_information"]["last_checksum"] > before, path


def client_id(wanted):
    return gitlab.utils.EncodedId(wanted["identifier"])


def recalculate_some(client, model, wanted):
    """Recalculates records in bulk, by identifiers and state, and waits until all of them are done."""
    chosen = [record for record in wanted if record["checksum"]][:30]
    identifiers = [as_json(record["identifier"]) for record in chosen]
    before = last_checksums(client, model, chosen)
    answer = client.http_put(
        f"/admin/data_management/{model}/checksum",
        post_data={"identifiers": identifiers, "checksum_state": "succeeded"},
    )
    wanted_answer = {"status": "success", "message": "Batch update job has been successfully enqueued."}
    assert_equal(answer, wanted_answer, f"{model}: bulk")
    end = time.monotonic() + TIMEOUT_SECONDS
    while True:
        after = last_checksums(client, model, chosen)
        if all(new["checksum_state"] == "succeeded" and new["last_checksum"] > old["last_checksum"]
               for new, old in zip(after, before)):
            break
        assert time.monotonic() < end, f"{model}: not recalculated within {TIMEOUT_SECONDS} s: {after}"
        time.sleep(0.05)
    for record, expected in zip(client.http_list(f"/admin/data_management/{model}", get_all=True), wanted):
        assert_is(record, expected)


def as_json(identifier):
    return int(identifier) if identifier.isdecimal() else identifier


def last_checksums(client, model, chosen):
    """Returns the checksum information of some records, through the `identifiers` filter."""
    found = client.http_list(
        f"/admin/data_management/{model}",
        query_data={"identifiers[]": [record["identifier"] for record in chosen]},
        get_all=True,
        per_page=100,
    )
    assert_equal(len(found), len(chosen), f"{model}: filtered by identifiers")
    return [record["checksum_information"] for record in found]


def wrong_token(base):
    """Checks that a wrong token is refused as the client expects."""
    try:
        gitlab.Gitlab(base, private_token="stk-wrong").http_list("/admin/data_management/uploads", get_all=False)
    except gitlab.exceptions.GitlabAuthenticationError as error:
        assert_equal((error.response_code, error.error_message), (401, "401 Unauthorized"), "wrong token")
    else:
        raise AssertionError("a wrong token was accepted")


def main(base, token, sample_file):
    with open(sample_file, encoding="utf-8") as file:
        sample = json.load(file)
    client = gitlab.Gitlab(base, private_token=token)
    client.auth()
    assert client.user.is_admin
    assert client.version()[0] != "unknown"
    wrong_token(base)
    for model, records in groupby(sample, key=lambda record: record["model"]):
        wanted = list(records)
        walk_keyset(client, model, wanted)
        walk_offset(client, model, wanted)
        read_one(client, model, wanted)
        recalculate_one(client, wanted[0])
        recalculate_one(client, wanted[-1])
        recalculate_some(client, model, wanted)
        print(f"python-gitlab {gitlab.__version__}: {model}, {len(wanted)} records are as expected")


if __name__ == "__main__":
    main(*sys.argv[1:])
