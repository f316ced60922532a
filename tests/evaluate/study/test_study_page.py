"""The rater's page without a browser: places, votes, names that nobody sees, and who may ask."""

import json

import av
import pytest
from study import NAMES, ORIGIN, Rater, no_names, small_study

from tbd.errors import InputError, UsageError
from tbd.evaluate.study.assembly import new_study
from tbd.evaluate.study.media import neutral_copy
from tbd.evaluate.study.stimuli import StudyRequest
from tbd.evaluate.study.study_folder import CRITERIA, MEDIA, read_study, write_study
from tbd.evaluate.study.votes import Vote, VoteStore, import_votes


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return small_study(tmp_path_factory.mktemp("study"))


@pytest.fixture
def site(made):
    folder, study = made
    (folder / "votes.sqlite").unlink(missing_ok=True)
    return folder, study


def test_a_rater_takes_a_place_votes_and_is_done(site):
    folder, study = site
    rater = Rater(folder, study, study.invitation)
    assert rater.get("/item").status_code == 403
    assert rater.begin().status_code == 200
    for position in range(len(study.orders[0])):
        found = rater.item()
        assert found["position"] == position
        assert rater.get(f"/{found['video']}").status_code == rater.get(f"/{found['portrait']}").status_code == 200
        assert rater.vote(position).status_code == 200
    assert rater.item() == {"done": True, "of": 5}
    assert len(rater.store.votes()) == 5


def test_the_question_about_the_emotion_is_a_sentence():
    asked = next(one for one in CRITERIA if one.key == "emotion").asked
    assert asked("sadness") == "How well does the face show sadness?"
    assert asked("neutral") == "How well does the face show no emotion?"


def test_doubles_are_impossible_and_the_first_vote_stands(site):
    folder, study = site
    rater = Rater(folder, study, study.raters[3])
    assert rater.vote(0, emotion=5).status_code == 200
    again = rater.vote(0, emotion=1)
    assert (again.status_code, again.json()["position"]) == (409, 1)
    assert [vote.answers["emotion"] for vote in rater.store.votes()] == [5]


def test_a_rater_who_returns_goes_on_from_another_device_and_server(site):
    folder, study = site
    first = Rater(folder, study, study.invitation)
    first.begin()
    first.vote(0)
    number = first.store.votes()[0].rater
    again = Rater(folder, study, study.raters[number])  # another server, another browser
    assert again.item()["position"] == 1
    kept = Rater(folder, study)
    kept.cookies.update(first.cookies)  # another server, the same browser
    assert kept.item()["position"] == 1
    assert kept.begin().status_code == 200  # takes no second place
    assert kept.get("/", params={"token": study.invitation}).status_code == 200
    assert kept.item()["position"] == 1


def test_places_run_out(site):
    folder, study = site
    for _ in study.raters:
        assert Rater(folder, study, study.invitation).begin().status_code == 200
    last = Rater(folder, study, study.invitation).begin()
    assert last.status_code == 410
    assert "All places are taken" in last.text


def test_no_name_of_a_system_in_page_address_or_media(site):
    folder, study = site
    rater = Rater(folder, study, study.raters[0])
    seen = [rater.get("/").text]
    for position in range(5):
        found = rater.item()
        reply = rater.get(f"/{found['video']}")
        seen += [json.dumps(found), json.dumps(dict(reply.headers)), reply.content.decode("latin-1")]
        rater.vote(position)
    assert all(map(no_names, seen))
    assert study.systems == NAMES


@pytest.mark.parametrize("tags", [{"title": "sadtalker", "comment": "made by sadtalker"}])
def test_titles_and_comments_of_a_file_are_left_out(tmp_path, site, tags):
    source = next((site[0] / MEDIA).glob("*.mp4"))
    titled, copied = tmp_path / "sadtalker.mp4", tmp_path / "out.mp4"
    with av.open(str(source)) as old, av.open(str(titled), "w") as new:
        new.metadata.update(tags)
        streams = {one.index: new.add_stream_from_template(one) for one in old.streams}
        for packet in old.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                new.mux(packet)
    assert b"sadtalker" in titled.read_bytes()
    neutral_copy(titled, copied)
    assert b"sadtalker" not in copied.read_bytes()
    with av.open(str(titled)) as one, av.open(str(copied)) as two:
        assert [bytes(p) for p in one.demux() if p.size] == [bytes(p) for p in two.demux() if p.size]


@pytest.mark.parametrize("answer", ["", "0", "6", "3.5", "x", "55", "true"])
def test_an_answer_that_no_page_sends_is_refused(site, answer):
    rater = Rater(*site, site[1].raters[0])
    assert rater.vote(0, emotion=answer).status_code == 400
    assert rater.vote("-1").status_code == rater.vote("5").status_code == 400
    assert rater.store.votes() == []


def test_strangers_foreign_pages_and_paths_get_nothing(site):
    folder, study = site
    assert Rater(folder, study).get("/").status_code == 403
    assert Rater(folder, study).get("/", params={"token": "guess"}).status_code == 403
    rater = Rater(folder, study, study.raters[0])
    assert rater.post("/vote", data={"position": 0}, headers={"Origin": "http://evil.example"}).status_code == 403
    assert rater.get("/", headers={"Host": "evil.example"}).status_code == 400
    for name in ("../study.json", "..%2fstudy.json", "%2e%2e/votes.sqlite", "study.json"):
        assert rater.get(f"/media/{name}").status_code == 404
    guest = Rater(folder, study, study.invitation)
    assert guest.get(f"/media/{next(iter(study.media))}").status_code == 403
    assert "default-src 'none'" in rater.get("/").headers["content-security-policy"]
    assert rater.base_url == ORIGIN


def test_votes_edited_by_hand_are_named(site):
    folder, study = site
    store = VoteStore(folder, study)
    store.add(Vote(2, 1, dict.fromkeys(("lip_sync", "naturalness", "emotion", "identity"), 4)))
    store._database.write("UPDATE votes SET answers = '{\"lip_sync\": 9}'")
    with pytest.raises(InputError, match="rater 2 at place 1"):
        store.votes()
    store._database.write("UPDATE votes SET answers = 'nonsense'")
    with pytest.raises(InputError, match="not JSON"):
        store.votes()


def test_files_of_the_static_page_come_in_once(site, tmp_path):
    folder, study = site
    answers = dict.fromkeys(("lip_sync", "naturalness", "emotion", "identity"), 4)
    document = {
        "study": "x",
        "rater": study.raters[1],
        "votes": [{"position": i, "answers": answers} for i in range(5)],
    }
    path = tmp_path / "votes.json"
    path.write_text(json.dumps(document))
    store = VoteStore(folder, study)
    assert import_votes(store, study, [path]) == (5, 0)
    assert import_votes(store, study, [path]) == (0, 5)
    for wrong in (
        "[]",
        "{",
        json.dumps(document | {"rater": "nobody"}),
        json.dumps(document | {"votes": [{"position": 99, "answers": answers}]}),
    ):
        path.write_text(wrong)
        with pytest.raises(InputError, match=r"votes\.json"):
            import_votes(store, study, [path])


def test_a_study_that_cannot_be_made_says_why(site, tmp_path):
    folder, study = site
    assert read_study(folder) == study
    runs = tuple(folder.parents[1] / "runs" / name for name in NAMES)
    with pytest.raises(UsageError, match="only 3 clips"):
        new_study(StudyRequest(runs, clips=4, output=tmp_path / "s"))
    with pytest.raises(InputError, match="not empty"):
        new_study(StudyRequest(runs, clips=1, output=folder))
    with pytest.raises(InputError, match="no study there"):
        read_study(tmp_path)
    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(InputError, match="not a study"):
        read_study(tmp_path)
    write_study(tmp_path, study)
    assert read_study(tmp_path) == study


def test_an_open_set_comes_from_a_table(site, tmp_path):
    folder, _ = site
    base = folder.parents[1]
    table = tmp_path / "open.csv"
    portrait = next((folder / MEDIA).glob("*.jpg"))
    table.write_text(f"clip_id,emotion,portrait\nmead_M003_front_happy_2_001,joy,{portrait}\n")
    runs = tuple(base / "runs" / name for name in NAMES)
    made = new_study(StudyRequest(runs, table=table, clips=2, output=tmp_path / "s"))
    assert [(clip.stratum, clip.emotion) for clip in made.clips] == [("mead", "happiness"), ("open set", "joy")]
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "mead_M003_front_happy_2_001.mp4").symlink_to(runs[0] / "videos" / "mead_M003_front_happy_2_001.mp4")
    made = new_study(StudyRequest((*runs, foreign), table=table, clips=1, output=tmp_path / "alone"))
    assert [(clip.stratum, clip.emotion) for clip in made.clips] == [("open set", "joy")]
    table.write_text("clip_id;emotion;portrait\na;b;c\n")
    with pytest.raises(InputError, match="line 2"):
        new_study(StudyRequest(runs, table=table, clips=1, output=tmp_path / "t"))
