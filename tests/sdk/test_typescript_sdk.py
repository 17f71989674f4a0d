"""The TypeScript client against the live API, installed from its archive, with nothing of ours beside it."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import yaml

from scripts import sdk_python
from scripts.sdk_generator import npm_package
from tests.conftest import Stack, Tenant
from tests.sdk import node
from tests.sdk.conftest import DOCUMENT
from tests.sdk.node import NodeSdk
from tests.sdk.test_python_sdk import BY_REQUEST, ELSEWHERE

OF_WORKERS = {
    "put_task_type",
    "get_task_type",
    "delete_task_type",
    "lease_tasks",
    "heartbeat_leases",
    "finish_leases",
    "release_leases",
    "list_workers",
}
"""Operations for which only the Python client has methods."""
WORKER_METHODS = {"worker", "workers"}
"""The methods of the Python client for them."""

SOURCES = npm_package.SOURCES / "src"


@pytest.fixture(scope="module")
def customer(make_tenant: Callable[..., Tenant]) -> Tenant:
    """A tenant whose queue and keys are changed by nobody else."""
    return make_tenant("sdk-ts")


@pytest.mark.parametrize(
    "function",
    [
        "submit_wait_and_list",
        "lists_go_over_pages",
        "a_batch_says_what_was_refused",
        "errors_are_exceptions",
        "a_failed_task_is_an_exception",
        "many_at_once",
        "logs_and_events",
        "exact_integers",
        "errors_and_statistics",
        "webhooks",
        "schedules",
        "the_account",
        "abort",
    ],
)
def test_a_customers_program_runs_against_the_live_api(
    node_sdk: NodeSdk, stack: Stack, customer: Tenant, function: str
):
    node_sdk.run("journey", function, TASK_QUEUE_URL=stack.url, TASK_QUEUE_KEY=customer.api_key)


def test_calls_are_attempted_again_where_that_is_safe(node_sdk: NodeSdk):
    node_sdk.run("rough_network")


def test_no_secret_is_shown_by_anything_that_prints(node_sdk: NodeSdk, stack: Stack, customer: Tenant):
    program = node_sdk.start(node_sdk.program("no_secrets"), TASK_QUEUE_URL=stack.url, TASK_QUEUE_KEY=customer.api_key)
    output = "".join(program.communicate(timeout=60))
    assert program.returncode == 0, output
    assert "TaskHandle" in output
    assert "ConnectionFailedError" in output
    assert customer.api_key not in output
    assert customer.api_key[-20:] not in output


def test_what_is_committed_is_what_the_compiler_makes(node_sdk: NodeSdk, tmp_path: Path):
    line = ("-p", str(npm_package.SOURCES), "--pretty", "false", "--outDir", str(tmp_path))
    assert node.tsc(tmp_path, *line) == ""
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    committed = {path.name: path.read_text() for path in (npm_package.SOURCES / "lib").iterdir()}
    assert made == committed, "node tests/sdk/node_packages/node_modules/.bin/tsc -p scripts/sdk_typescript"


def test_the_task_types_of_an_operator_are_typed(node_sdk: NodeSdk, stack: Stack, tmp_path: Path):
    served = httpx.get(f"{stack.url}/openapi.json", trust_env=False)
    document = tmp_path / "openapi.json"
    document.write_bytes(served.content)
    node.lay_out(tmp_path, sdk_python.generate_typescript(document, tmp_path / "made"))
    program = tmp_path / "program.ts"
    program.write_text(
        "import { TaskQueue } from 'task-queue-client';\n"
        "const client = new TaskQueue();\n"
        "export const sum: number = await (await client.tasks.submit('test.add', { a: 1, b: 2 })).wait();\n"
        "// @ts-expect-error a member is missing\n"
        "await client.tasks.submit('test.add', { a: 1 });\n"
        "// @ts-expect-error no such value\n"
        "await client.tasks.submit('test.control', { raises: 'nothing', times: 1 });\n"
    )
    assert node.compile_programs(tmp_path, [program]) == ""


def test_a_client_without_task_types_takes_any_name(node_sdk: NodeSdk, tmp_path: Path):
    node.lay_out(tmp_path, sdk_python.generate_typescript(DOCUMENT, tmp_path / "made", with_task_types=False))
    program = tmp_path / "program.ts"
    program.write_text(
        "import { TaskQueue } from 'task-queue-client';\n"
        "export async function submit(client: TaskQueue, name: string) {\n"
        "  await (await client.tasks.submit(name, { month: 1 }, { priority: 9 })).wait();\n"
        "}\n"
    )
    assert node.compile_programs(tmp_path, [program]) == ""


def test_every_operation_is_offered_and_every_code_has_an_error():
    described = yaml.load(DOCUMENT.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    known = {operation["operationId"] for path in described["paths"].values() for operation in path.values()}
    sources = "".join(path.read_text() for path in SOURCES.glob("*.ts"))
    assert {name for name in known if f'"{name}"' in sources} == known - ELSEWHERE - BY_REQUEST - OF_WORKERS
    codes = set(re.findall(r"^ +code: (\w+)$", DOCUMENT.read_text(), re.MULTILINE))
    assert (
        codes - set(re.findall(r"^  (\w+): \w+Error,$", (SOURCES / "refusals.ts").read_text(), re.MULTILINE)) == set()
    )


def test_the_methods_are_those_of_the_python_client():
    """Each public method of the Python client, in camel case, is in the file that has the class of its name."""
    overlay = sdk_python._OVERLAY / "task_queue_client" / "_async"
    for file in ("tasks", "handles", "account", "webhooks", "client"):
        methods = set(
            re.findall(r"^    (?:async )?def ([a-z]\w*)\(", (overlay / f"{file}.py").read_text(), re.MULTILINE)
        )
        there = "".join(
            path.read_text() for path in (SOURCES / "account.ts", SOURCES / "client.ts", SOURCES / f"{file}.ts")
        )
        names = {
            re.sub(r"_(\w)", lambda match: match[1].upper(), name) for name in methods - {"close", *WORKER_METHODS}
        }
        assert {name for name in names if not re.search(rf"^  (?:async \*?)?{name}[(<]", there, re.MULTILINE)} == set()


def test_the_package_needs_nothing_and_the_same_document_makes_the_same_one(tmp_path: Path):
    one, other = (sdk_python.generate_typescript(DOCUMENT, tmp_path / name) for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()
    described = json.loads((tmp_path / "one" / "typescript" / "package.json").read_bytes())
    assert not described.keys() & {"dependencies", "peerDependencies", "scripts"}
    assert (tmp_path / "one" / "typescript" / "lib" / "index.js").is_file()
    shutil.rmtree(tmp_path / "other" / "typescript")
    (tmp_path / "other" / "typescript").mkdir()
    with pytest.raises(SystemExit, match="name another --output"):
        sdk_python.generate_typescript(DOCUMENT, tmp_path / "other")
