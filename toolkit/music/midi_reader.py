"""Standard MIDI file bytes to note and pedal arrays, compiled.

Follows the two libraries that note-seq reads MIDI with, rule by rule: `scan` is mido's parser,
`pair_notes` and `tempo_map` are pretty_midi's. Every index into the file is checked here, because
compiled code does not check it.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

# What `scan` can come back with. After ODD the file parses, but holds a meta event so unusual that
# only note-seq can say whether it accepts it.
FINE, ODD, TRUNCATED, NO_TRACK, EMPTY_TRACK, MALFORMED = range(6)

LARGEST_MESSAGE = 1_000_000  # bytes; mido refuses longer ones
FAR = 1 << 40  # where quantities stop growing: beyond every limit, far from overflow

NOTE_OFF, NOTE_ON, CONTROL_CHANGE, PROGRAM_CHANGE, PITCH_BEND = 0x8, 0x9, 0xB, 0xC, 0xE
SYSEX, SYSEX_END, META = 0xF0, 0xF7, 0xFF
SET_TEMPO = 0x51
SUSTAIN_PEDAL = 64
DRUM_CHANNEL = 9


def machine_code(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile with numba to machine code, cached on disk wherever there is a place to write."""
    try:
        return numba.njit(cache=True)(function)
    except RuntimeError:  # no such place
        return numba.njit(function)


@machine_code
def _variable_int(data, at, end):
    """Read a variable-length quantity; the position is beyond `end` if it does not fit."""
    value = 0
    while at < end:
        byte = data[at]
        at += 1
        value = min((value << 7) | (byte & 0x7F), FAR)
        if byte < 0x80:
            return value, at
    return value, end + 1


@machine_code
def _data_length(status):
    """Count the data bytes of a message, -1 if there is no such status."""
    kind = status >> 4
    if kind == 0xC or kind == 0xD or status == 0xF1 or status == 0xF3:
        return 1
    if kind < 0xF or status == 0xF2:
        return 2
    if status in (0xF6, 0xF8, 0xFA, 0xFB, 0xFC, 0xFE):
        return 0
    return -1


@machine_code
def _is_known_meta(kind):
    return kind <= 0x07 or kind in (0x09, 0x20, 0x21, 0x2F, 0x51, 0x54, 0x58, 0x59, 0x7F)


@machine_code
def _is_odd_meta(kind, body):
    """Tell meta events that mido, pretty_midi or note-seq might refuse."""
    size = body.size
    if kind == 0x00:
        return size == 1
    if kind == 0x20:
        return size < 1
    if kind == SET_TEMPO:
        return size < 3 or (body[0] == 0 and body[1] == 0 and body[2] == 0)
    if kind == 0x54:  # SMPTE offset
        return size < 5 or body[0] > 127 or body[1] > 59 or body[2] > 59 or body[4] > 99
    if kind == 0x58:  # time signature
        return size < 4 or body[0] == 0 or body[1] > 6
    if kind == 0x59:  # key signature
        return size < 2 or body[1] > 1 or 7 < body[0] < 249
    return False


@machine_code
def scan(data, at, num_tracks):
    """Parse the track chunks.

    Parameters
    ----------
    data
        The file's bytes, uint8 array.
    at
        Where the first track chunk starts.
    num_tracks
        How many tracks the header promises.

    Returns
    -------
    problem
        FINE, ODD, or what is wrong; after the latter the rest means nothing.
    longest
        The last tick of the longest track.
    ticks, messages, track
        For each channel message its absolute tick, `status << 16 | data 1 << 8 | data 2`, track.
    tempi
        Rows (tick, microseconds a quarter note) from the first track, the only one that counts.
    """
    capacity = data.size // 2 + 1  # a message takes two bytes or more
    ticks = np.empty(capacity, np.int64)
    messages = np.empty(capacity, np.int32)
    tracks = np.empty(capacity, np.int32)
    tempi = np.empty((data.size // 7 + 1, 2), np.int64)
    count, num_tempi, longest, problem = 0, 0, 0, FINE
    for track in range(num_tracks):
        if at + 8 > data.size:
            problem = TRUNCATED
            break
        if data[at] != 77 or data[at + 1] != 84 or data[at + 2] != 114 or data[at + 3] != 107:
            problem = NO_TRACK
            break
        size = 0
        for byte in data[at + 4 : at + 8]:
            size = size << 8 | byte
        at += 8
        end = at + size
        if end > data.size:
            problem = TRUNCATED
            break
        if size == 0:
            problem = EMPTY_TRACK
            break
        tick = 0
        running = 0
        while at < end:
            delta, at = _variable_int(data, at, end)
            if at >= end:
                problem = MALFORMED
                break
            first = int(data[at])
            at += 1
            status = first if first >= 0x80 else running
            if status == 0:
                problem = MALFORMED
                break
            if status != META:
                running = status
            if status in (META, SYSEX, SYSEX_END):
                kind = 0
                if status == META and at < end:
                    kind = data[at]
                    at += 1
                length, at = _variable_int(data, at, end)
                if length > LARGEST_MESSAGE or at + length > end:
                    problem = MALFORMED
                    break
                body = data[at : at + length]
                at += length
                if status != META:
                    if _has_stray_status(body):
                        problem = MALFORMED
                        break
                elif not _is_known_meta(kind):
                    delta = 0  # mido forgets the time before a meta event that it does not know
                elif _is_odd_meta(kind, body):
                    problem = ODD
                elif kind == SET_TEMPO and track == 0:
                    tempi[num_tempi, 0] = tick + delta
                    tempi[num_tempi, 1] = int(body[0]) << 16 | int(body[1]) << 8 | int(body[2])
                    num_tempi += 1
                tick = min(tick + delta, FAR)
                continue
            length = _data_length(status)
            if first < 0x80:
                at -= 1
                if length == 0:
                    length = -1
            if length < 0 or at + length > end:
                problem = MALFORMED
                break
            data1 = int(data[at]) if length > 0 else 0
            data2 = int(data[at + 1]) if length > 1 else 0
            at += length
            if data1 > 127 or data2 > 127:
                problem = MALFORMED
                break
            tick = min(tick + delta, FAR)
            if status < SYSEX:
                ticks[count] = tick
                messages[count] = status << 16 | data1 << 8 | data2
                tracks[count] = track
                count += 1
        longest = max(longest, tick)
        if problem > ODD:
            break
    return problem, longest, ticks[:count], messages[:count], tracks[:count], tempi[:num_tempi]


@machine_code
def _has_stray_status(body):
    """Tell whether a system exclusive message holds a byte that is no data."""
    begin, end = 0, body.size
    if end > 0 and body[0] == SYSEX:
        begin = 1
    if end > begin and body[end - 1] == SYSEX_END:
        end -= 1
    return np.any(body[begin:end] > 127)


@machine_code
def pair_notes(ticks, messages, tracks):
    """Pair note-ons with note-offs and hand notes and pedal events to instruments.

    A note-off ends every open note of its channel and pitch that began before its tick. An
    instrument is a (track, channel, program) that finished a note. Controls that come when the
    current program has none wait in a list of the channel's, which every instrument that the
    channel gets from then on shares, as pretty_midi's do.

    Returns
    -------
    notes
        Rows (start tick, end tick, pitch, velocity, instrument), in note-off order.
    pedals
        Rows (tick, value, list), in file order.
    instruments
        Rows (program, channel, list).
    """
    note = np.empty((messages.size, 5), np.int64)
    pedal = np.empty((messages.size, 3), np.int64)
    instruments = np.empty((messages.size, 3), np.int64)
    num_notes, num_pedals, num_instruments, num_lists = 0, 0, 0, 0

    # open notes: for each channel and pitch a chain of note-on messages, oldest first
    oldest = np.full(16 * 128, -1, np.int64)
    newest = np.full(16 * 128, -1, np.int64)
    later = np.full(messages.size, -1, np.int64)
    program = np.zeros(16, np.int64)
    instrument_of = np.full((16, 128), -1, np.int64)
    waiting = np.full(16, -1, np.int64)

    for i in range(messages.size):
        if i > 0 and tracks[i] != tracks[i - 1]:
            oldest[:] = -1
            program[:] = 0
            instrument_of[:] = -1
            waiting[:] = -1
        kind = messages[i] >> 20 & 0xF
        channel = messages[i] >> 16 & 0xF
        data1 = messages[i] >> 8 & 0x7F
        data2 = messages[i] & 0x7F
        key = channel * 128 + data1
        if kind == PROGRAM_CHANGE:
            program[channel] = data1
        elif kind == NOTE_ON and data2 > 0:
            if oldest[key] < 0:
                oldest[key] = i
            else:
                later[newest[key]] = i
            newest[key] = i
        elif kind in (NOTE_ON, NOTE_OFF):
            on = oldest[key]
            closed = False
            # ticks never fall, so the notes of this very tick are the chain's end
            while on >= 0 and ticks[on] != ticks[i]:
                closed = True
                instrument = instrument_of[channel, program[channel]]
                if instrument < 0:
                    instrument = num_instruments
                    instrument_of[channel, program[channel]] = instrument
                    instruments[instrument, 0] = program[channel]
                    instruments[instrument, 1] = channel
                    instruments[instrument, 2] = waiting[channel]
                    if waiting[channel] < 0:
                        instruments[instrument, 2] = num_lists
                        num_lists += 1
                    num_instruments += 1
                note[num_notes, 0] = ticks[on]
                note[num_notes, 1] = ticks[i]
                note[num_notes, 2] = data1
                note[num_notes, 3] = messages[on] & 0x7F
                note[num_notes, 4] = instrument
                num_notes += 1
                on = later[on]
            # an off that ends nothing forgets the notes that began on its tick
            oldest[key] = on if closed else -1
        elif kind in (CONTROL_CHANGE, PITCH_BEND):
            instrument = instrument_of[channel, program[channel]]
            if instrument < 0 and waiting[channel] < 0:
                waiting[channel] = num_lists
                num_lists += 1
            if kind == CONTROL_CHANGE and data1 == SUSTAIN_PEDAL:
                pedal[num_pedals, 0] = ticks[i]
                pedal[num_pedals, 1] = data2
                owner = waiting[channel] if instrument < 0 else instruments[instrument, 2]
                pedal[num_pedals, 2] = owner
                num_pedals += 1
    return note[:num_notes], pedal[:num_pedals], instruments[:num_instruments]


def tempo_map(tempi: np.ndarray, resolution: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn tempo events into the first tick, the time there and the seconds a tick of each span.

    The float64 expressions are pretty_midi's, operation by operation: others round differently.
    """
    starts, times, scales = [0], [0.0], [60.0 / (120.0 * resolution)]
    for tick, tempo in tempi.tolist():
        scale = 60.0 / ((6e7 / tempo) * resolution)
        if tick == 0:
            scales = [scale]
        elif scale != scales[-1]:
            times.append(times[-1] + scales[-1] * (tick - starts[-1]))
            starts.append(tick)
            scales.append(scale)
    return np.array(starts), np.array(times), np.array(scales)


@machine_code
def to_seconds(ticks, starts, times, scales):
    """Turn ticks into seconds, with what `tempo_map` returned."""
    seconds = np.empty(ticks.size)
    span = 0
    for i in range(ticks.size):
        tick = ticks[i]
        if tick < starts[span] or (span + 1 < starts.size and tick >= starts[span + 1]):
            span = np.searchsorted(starts, tick, side="right") - 1
        seconds[i] = times[span] + scales[span] * (tick - starts[span])
    return seconds
