"""Socratic dialogues of a model: held to the rules, asked for again, resumed; over a server that speaks the protocol."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mlxtutor.errors import TutorError
from mlxtutor.shipped import shipped_text
from mlxtutor.socratic.answers import numbers_in, states
from mlxtutor.socratic.endpoint import Job, Unusable, generate, read_dialogue
from mlxtutor.socratic.rules import QUESTION_TYPES, problems

GOOD = [("student", "I get 12 N for the force, because the charges add up."),
        ("tutor", "You say that the charges add up. What makes you think so?"),
        ("student", "I don't know. The law multiplies them, so it is 27 N."),
        ("tutor", "Yes, the law multiplies them: 27 N is right.")]


def reply(turns=GOOD, types=("evidence",), answer="27 N"):
    kinds = iter(types)
    listed = [{"role": role, "text": text, **({"question_type": next(kinds, "")} if role == "tutor" and index < len(turns) - 1 else {})}
              for index, (role, text) in enumerate(turns)]
    return json.dumps({"turns": listed, "final_answer": answer})


def job(url="http://localhost:1/v1", **options):
    return Job(url, "m", "forces", **{"n": 3, "exchanges": 2, "concurrent": 2, **options})


def changed(index, text):
    return [*GOOD[:index], (GOOD[index][0], text), *GOOD[index + 1:]]


@pytest.mark.parametrize("turns, types, wrong", [
    (GOOD[:3], ("evidence",), "don't take turns"),
    (changed(1, "The charges add up? Do they?"), ("evidence",), "2 questions (one is expected)"),
    (changed(1, "You say that the charges add up, but it is 27 N. Why?"), ("evidence",), "gives the answer away"),
    (changed(1, "Why do birds sing?"), ("evidence",), "doesn't build on the student's words"),
    (changed(3, "Yes, the law multiplies them. And now?"), ("evidence",), "asks instead of confirming"),
    (GOOD, ("riddle",), '"riddle" is no question type'),
    (GOOD, (), '"" is no question type'),
    ([*GOOD, *GOOD], ("evidence", "clarification", "meta"), "4 exchanges (2 are asked for)"),
])
def test_faults_are_named(turns, types, wrong):
    with pytest.raises(Unusable) as error:
        read_dialogue(reply(turns, types), job())
    assert any(wrong in sentence for sentence in error.value.args), error.value.args


def test_questions_climb():
    messages = [{"role": role, "content": f"The charge {n} and the force?"} for n in range(3) for role in ("user", "assistant")]
    assert "the questions don't climb: evidence, clarification" in list(problems(messages, ("evidence", "clarification"), "3 N"))
    assert "the first question is no clarification" in list(problems(messages, ("assumptions", "evidence"), "3 N"))
    longer = [*messages, *messages[:2]]
    types = ("clarification", "assumptions", "evidence")
    assert "the last question is none of implications, meta" in list(problems(longer, types, "3 N"))


VOLTS = [("student", "A 2 ohm resistor carries 3 A. I think the voltage is 5 V because I add them."),
         ("tutor", "You add the voltage up. What does the law for the voltage do with the two?"),
         ("student", "It multiplies them, so the voltage is 6 V."), ("tutor", "Right, the voltage is 6 V.")]


@pytest.mark.parametrize("answer", ["6 V", "6.0 V", "6", "six volts"])
def test_the_student_finds_the_answer(answer):
    assert read_dialogue(reply(VOLTS, answer=answer), job())["final_answer"] == answer


@pytest.mark.parametrize("told", ["so 6 V", "so six volts", "which is 6.0 V", "2*3 = 6"])
@pytest.mark.parametrize("answer", ["6 V", "6.00 V", "six volts"])
def test_every_way_to_give_the_answer_away(told, answer):
    turns = [VOLTS[0], ("tutor", f"The voltage isn't a sum: {told}. Do you see why?"), *VOLTS[2:]]
    with pytest.raises(Unusable, match="turn 1 gives the answer away"):
        read_dialogue(reply(turns, answer=answer), job())


@pytest.mark.parametrize("said, answer, wrong", [
    (VOLTS[2][1], "", "there is no final_answer"), ("I give up on the voltage.", "6 V", "the student never states the answer"),
    ("It multiplies, so the voltage is 60 V.", "6 V", "the student never states the answer"),
    ("It multiplies the voltage.", "they repel", "the student never states the answer")])
def test_an_answer_that_nobody_finds(said, answer, wrong):
    turns = [*VOLTS[:2], ("student", said), ("tutor", "The voltage is fine, don't give up.")]
    with pytest.raises(Unusable) as error:
        read_dialogue(reply(turns, answer=answer), job())
    assert wrong in error.value.args


@pytest.mark.parametrize("text, numbers", [
    ("twenty-seven volts", [27]), ("a hundred and five", [105]), ("two thousand three hundred and one", [2301]),
    ("12.0 V and 3 m^2", [12, 3]),
    ("3.2 × 10^-3 N", [0.0032]), ("nothing", [])])
def test_numbers_in_digits_and_words(text, numbers):
    assert numbers_in(text) == pytest.approx(numbers)


def test_the_prompt_asks_for_what_is_required():
    prompt = shipped_text("prompts/socratic.md")
    assert all(name in prompt for name in (*QUESTION_TYPES, "final_answer", "a\n  clarification", "in digits nor in words"))


def test_a_good_reply_may_stand_in_a_fence():
    row = read_dialogue(f"Here it is:\n```json\n{reply()}\n```", job())
    assert [message["role"] for message in row["messages"]] == ["user", "assistant"] * 2
    assert row["tags"] == ["socratic"] and row["final_answer"] == "27 N"


class Endpoint(ThreadingHTTPServer):
    """Gives what `answers` has next: a text, or (HTTP state, headers). Then numbered good dialogues."""

    def __init__(self, answers=()):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.requests, self.lock, self.number = list(answers), [], threading.Lock(), 0
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"

    def next(self, body):
        with self.lock:
            self.requests.append(body)
            if self.answers:
                return self.answers.pop(0)
            self.number += 1
            return reply(changed(0, f"I get 12 N for the force of ball {self.number}, because the charges add up."))


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = self.server.next({**body, "path": self.path, "key": self.headers.get("Authorization")})
        state, headers, data = (200, {}, answer) if isinstance(answer, str) else (*answer, "{}")
        if state == 200:
            data = json.dumps({"choices": [{"message": {"content": data}}], "usage": {"prompt_tokens": 100, "completion_tokens": 50}})
        self.send_response(state)
        for name, text in headers.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def endpoint():
    servers = []

    def start(*answers):
        servers.append(Endpoint(answers))
        return servers[-1]
    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_generate(endpoint, tmp_path):
    server, pauses = endpoint((429, {"Retry-After": "7"}), (503, {}), reply(types=("riddle",)), "no JSON at all"), []
    last = list(generate(job(server.url, key="secret", price_in=1, price_out=2), tmp_path / "s.jsonl", pauses.append))[-1]
    rows = rows_of(tmp_path / "s.jsonl")
    assert len(rows) == 3 and len({row["messages"][0]["content"] for row in rows}) == 3
    assert 7.0 in pauses and len(pauses) == 2
    assert sum(last.rejected.values()) == 2 and last.accepted == 3
    assert (last.tokens_in, last.tokens_out) == (500, 250) and last.cost(job(price_in=1, price_out=2)) == pytest.approx(0.001)
    assert server.requests[0]["path"] == "/v1/chat/completions" and server.requests[0]["key"] == "Bearer secret"
    again = [request for request in server.requests if len(request["messages"]) == 3]
    assert any("riddle" in request["messages"][2]["content"] for request in again)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.jsonl"]


def test_an_interrupted_run_goes_on(endpoint, tmp_path):
    server = endpoint()
    running = generate(job(server.url, n=8, concurrent=1), tmp_path / "s.jsonl")
    for state in running:
        if state.accepted == 5:
            break
    running.close()
    assert not (tmp_path / "s.jsonl").exists()
    partial = tmp_path / "s.jsonl.partial"
    partial.write_text(partial.read_text() + '{"id": "cut')  # as a kill in the middle of a line leaves it
    kept = [row["messages"] for row in rows_of_partial(partial)]
    first = next(states := generate(job(server.url, n=8, concurrent=1), tmp_path / "s.jsonl"))
    assert first.accepted == 5
    list(states)
    rows = rows_of(tmp_path / "s.jsonl")
    assert len(rows) == 8 and [row["messages"] for row in rows[:5]] == kept
    assert len({row["id"] for row in rows}) == 8


@pytest.mark.parametrize("left", [b"", b'{"model": "m", "topic": "forces", "exchanges": 2}\n', b'{"model": "m", "topic": "for'])
def test_a_run_killed_before_its_first_dialogue_goes_on(endpoint, tmp_path, left):
    (tmp_path / "s.jsonl.partial").write_bytes(left)
    for _ in range(2):
        running = generate(job(endpoint().url), tmp_path / "s.jsonl")
        next(running)
        running.close()
    assert list(generate(job(endpoint().url), tmp_path / "s.jsonl"))[-1].accepted == 3


def test_counts_go_on_too(endpoint, tmp_path):
    server = endpoint("no JSON", reply(changed(0, "I get 12 N\u2028for the force, because the charges add up.")))
    running = generate(job(server.url, n=4, concurrent=1), tmp_path / "s.jsonl")
    for state in running:
        if state.accepted == 2:
            break
    running.close()
    last = list(generate(job(server.url, n=4, concurrent=1), tmp_path / "s.jsonl"))[-1]
    assert (last.accepted, last.tokens_in, sum(last.rejected.values())) == (4, 500, 1)
    assert "\u2028" in rows_of_bytes(tmp_path / "s.jsonl")[0]["messages"][0]["content"]


def rows_of_bytes(path):
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def rows_of_partial(path):
    return [row for line in path.read_text().splitlines()[1:-1] if (row := json.loads(line)["row"])]


def test_another_job_does_not_go_on(endpoint, tmp_path):
    (tmp_path / "s.jsonl.partial").write_text(json.dumps(job().identity) + "\n")
    with pytest.raises(TutorError, match="of another job .*delete it"):
        list(generate(Job("http://localhost:1", "m", "circuits", 3), tmp_path / "s.jsonl"))


def test_a_model_that_cannot_do_it_is_given_up(endpoint, tmp_path):
    server = endpoint(*["I can't."] * 200)
    with pytest.raises(TutorError, match=r'"m" made no usable dialogue in 2\d tries: it is no JSON of the form asked for'):
        list(generate(job(server.url), tmp_path / "s.jsonl"))


def test_endpoint_mistakes(endpoint, tmp_path):
    server = endpoint(*[(404, {})] * 9)
    with pytest.raises(TutorError, match="HTTP 404"):
        list(generate(job(server.url), tmp_path / "s.jsonl"))
    pauses = []
    with pytest.raises(TutorError, match=r"localhost:1/v1: no answer after 6 tries \(.*refused\)"):
        list(generate(job(concurrent=1), tmp_path / "t.jsonl", pauses.append))
    assert pauses == [1, 2, 4, 8, 16]
    with pytest.raises(TutorError, match="is no URL"):
        job("localhost:11434")
    with pytest.raises(TutorError, match="abc"):
        list(generate(job("http://localhost:abc/v1"), tmp_path / "u.jsonl"))


@pytest.mark.parametrize("text, said", [
    ("What do the two numbers stand for?", False), ("Which one of the two did you put first?", False), ("So it is two.", True),
    ("It equals one.", True), ("It is 2 m/s.", True),
    ("That leaves two.", True), ("Two.", True)])
def test_small_words_are_answers_only_where_they_are_said_to_be(text, said):
    assert states(text, "2 m/s") or states(text, "1 m/s") if said else not (states(text, "2 m/s") or states(text, "1 m/s"))


def test_a_confirmation_of_another_value_is_refused():
    from mlxtutor.socratic.rules import problems as rule_problems

    turns = [("user", "Is V = 3/2 V right?"), ("assistant", "You wrote V = 3/2 V. What does V = I*R multiply?"), ("user", "So V = 6 V."),
             ("assistant", "V = 36 V is right, well done.")]
    found = list(rule_problems([{"role": role, "content": text} for role, text in turns], ["clarification"], "6 V"))
    assert "the last turn confirms 36 V, final_answer is 6 V" in found
    turns[-1] = ("assistant", "Well done: 3/2 V was no product, and you multiplied.")
    found = list(rule_problems([{"role": role, "content": text} for role, text in turns], ["clarification"], "6 V"))
    assert not any("confirms" in line for line in found)
