"""Speech-to-text: what the laws do not see of it."""

import numpy as np
import pytest
from cases import HANDWRITING, LIVE, SENTIMENT, SPEECH, spoken

import seqkit
from seqkit.frontends import audio
from seqkit.heads.stitching import stitch


def test_an_array_and_its_rate_are_one_recording():
    pipe, sound = SPEECH.pipe, spoken("abc", rate=8000)
    answer = pipe((sound, 8000))
    assert answer == pipe((8000, sound)) == pipe([(sound, 8000)])[0] == pipe({"array": sound, "sampling_rate": 8000})
    assert [each.text for each in pipe(((sound, 8000), (sound, 8000)))] == [answer.text] * 2
    with pytest.raises(ValueError, match="Item 0: expected"):
        pipe((sound, 8.5))


def test_hot_words_are_found_where_they_are_boosted():
    sound = spoken("ab")
    plain, hot = SPEECH.pipe(sound), SPEECH.pipe(sound, hot_words={"cab": 60.0})
    assert "cab" not in plain.text.split() and "cab" in hot.text.split()
    assert SPEECH.pipe(sound, hot_words={}).text == SPEECH.pipe(sound, hot_words={"cab": 0.0}).text
    assert "cab" in SPEECH.pipe([sound], hot_words={"CAB": 60.0})[0].text.split()  # in letters that it has


def test_hot_words_that_cannot_be_are_refused():
    for wish, message in (
        ({"zebra": 1.0}, "The hot word 'zebra' cannot be spelt in the alphabet of 4 characters"),
        ({"": 1.0}, "The hot word '' cannot be spelt"),
        ({"ab": "much"}, "The boost of the hot word 'ab' must be a number from -100 to 100; received 'much'"),
        (["ab"], "hot_words must be a dict of word -> boost"),
    ):
        with pytest.raises(ValueError, match=message):
            SPEECH.pipe(spoken("ab"), hot_words=wish)
    with pytest.raises(TypeError, match="nothing to ask a LabelHead for; received .'hot_words'."):
        SENTIMENT.pipe("good", hot_words={"good": 1.0})


def test_words_have_their_times():
    transcript = LIVE.pipe(spoken("cab a cab"))
    assert [word.text for word in transcript.words] == transcript.text.split()
    for word in transcript.words:
        assert 0 <= word.start < word.end <= 1.0 and 0 < word.confidence <= 1
    line = HANDWRITING.pipe(HANDWRITING.inputs[1])
    assert [word.text for word in line.words] == line.text.split()


def test_a_long_recording_is_answered_in_pieces(monkeypatch):
    monkeypatch.setattr(audio, "LONGEST", 1)
    monkeypatch.setattr(audio, "PIECE", 1)
    monkeypatch.setattr(audio, "OVERLAP", 0.25)
    sound, short = spoken("abc cab bac cab abc"), spoken("ab")
    begins = [0.0, 0.75]
    pieces = [sound[round(16000 * begin) : round(16000 * begin) + 16000] for begin in begins]
    expected = stitch(SPEECH.pipe(pieces), begins)
    several = SPEECH.pipe([short, sound, short])
    assert len(sound) == 31200 and several[1].text.startswith(expected.text[:3])
    assert [several[0].text, several[2].text] == [SPEECH.pipe(short).text] * 2
    assert several[1].characters[-1].right <= 1.96


def test_it_goes_on_from_noise_in_a_directory(tmp_path):
    import soundfile

    soundfile.write(tmp_path / "noise.wav", np.random.default_rng(0).normal(0, 0.1, 8000), 16000)
    pipe = seqkit.build("speech-to-text", **SPEECH.settings, noise_directory=str(tmp_path), noisy=1.0)
    pipe.fit(SPEECH.examples[:4], epochs=1, verbose=False)
    with pytest.raises(ValueError, match="speed must be .*from 0 to 1; received 3"):
        seqkit.build("speech-to-text", speed=3)
    with pytest.raises(ValueError, match="lookahead must be a whole number from 0 to 100"):
        seqkit.build("speech-to-text", lookahead=-1)


def test_gradients_are_not_watched_yet():
    with pytest.raises(ValueError, match="watch_gradients is not for speech-to-text yet"):
        seqkit.build("speech-to-text", **SPEECH.settings).fit(SPEECH.examples, watch_gradients=True)


def test_an_attention_decoder_learns_beside_ctc():
    # The loss is that of both by their share, the decoder's over the text with its end; the answer is CTC's.
    pipe = SPEECH.build(attention=0.3, decoder_units=16)
    pipe.learn(SPEECH.examples)
    head, decoder = pipe.model.head, pipe.model.head.decoder
    sounds, texts = zip(*SPEECH.examples[:3])
    states = pipe.model.encoder.encode(pipe.frontend(pipe.frontend.collate(list(sounds))))
    targets = head.targets(texts)
    outputs = head(states.values, states.lengths, targets=targets)
    alone = decoder.loss(decoder.targets(texts), decoder(states.values, states.lengths, targets=decoder.targets(texts)))
    expected = -0.7 * head.log_prob(targets, outputs).numpy() + 0.3 * alone.numpy()
    np.testing.assert_allclose(head.loss(targets, outputs), expected, rtol=1e-5)

    before = [weight.numpy() for weight in decoder.trainable_variables]
    pipe.fit(SPEECH.examples, epochs=1, batch_steps=256, verbose=False)
    assert all((weight.numpy() != old).any() for weight, old in zip(decoder.trainable_variables, before))
    assert pipe(sounds[0]).text is not None
    pipe.fit([(spoken("abc"), "adc")], vocabulary="union", epochs=1, verbose=False)  # its decoder goes on, too
    assert "d" in pipe.model.head.decoder.tokenizer.characters
    with pytest.raises(ValueError, match="attention must be at least 0 and below 1"):
        SPEECH.build(attention=1.0)
