//go:build e2e

package e2e

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"
)

// webm makes a video of VP8 key frames, one every step milliseconds, with the cues that a player seeks by. Each frame is a
// cluster of its own (RFC 9559; the element IDs are in its section 5).
func webm(width, height, step int, frames [][]byte) []byte {
	info := element(0x1549A966, element(0x2AD7B1, number(1_000_000)), element(0x4489, float(float64(step*len(frames)))),
		element(0x4D80, []byte("test")), element(0x5741, []byte("test")))
	tracks := element(0x1654AE6B, element(0xAE, element(0xD7, number(1)), element(0x73C5, number(1)), element(0x83, number(1)),
		element(0x86, []byte("V_VP8")), element(0xE0, element(0xB0, number(uint64(width))), element(0xBA, number(uint64(height))))))
	var clusters [][]byte
	for i, f := range frames {
		block := append([]byte{0x81, 0, 0, 0x80}, f...) // track 1, at the cluster's time, a key frame
		clusters = append(clusters, element(0x1F43B675, element(0xE7, number(uint64(i*step))), element(0xA3, block)))
	}
	// The cues stand before the clusters and are of one size whatever the positions are: numbers have eight bytes.
	at := uint64(len(info) + len(tracks))
	at += uint64(len(cues(0, step, clusters)))
	segment := element(0x18538067, append([][]byte{info, tracks, cues(at, step, clusters)}, clusters...)...)
	head := element(0x1A45DFA3, element(0x4286, number(1)), element(0x42F7, number(1)), element(0x42F2, number(4)), element(0x42F3, number(8)),
		element(0x4282, []byte("webm")), element(0x4287, number(4)), element(0x4285, number(2)))
	return append(head, segment...)
}

func cues(at uint64, step int, clusters [][]byte) []byte {
	var points [][]byte
	for i, c := range clusters {
		points = append(points, element(0xBB, element(0xB3, number(uint64(i*step))),
			element(0xB7, element(0xF7, number(1)), element(0xF1, number(at)))))
		at += uint64(len(c))
	}
	return element(0x1C53BB6B, points...)
}

func element(id uint32, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	head := binary.BigEndian.AppendUint32(nil, id)
	head = bytes.TrimLeft(head, "\x00")
	head = binary.BigEndian.AppendUint64(head, 1<<56|uint64(len(body))) // a size of eight bytes
	return append(head, body...)
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func float(f float64) []byte { return binary.BigEndian.AppendUint64(nil, math.Float64bits(f)) }

// vp8 takes the frame out of a lossy WebP picture, which is one VP8 key frame in a RIFF file.
func vp8(t *testing.T, webp []byte) []byte {
	t.Helper()
	for rest := webp[min(12, len(webp)):]; len(rest) >= 8; {
		size := int(binary.LittleEndian.Uint32(rest[4:]))
		if size > len(rest)-8 {
			break
		}
		if string(rest[:4]) == "VP8 " {
			return rest[8 : 8+size]
		}
		rest = rest[min(8+size+size&1, len(rest)):]
	}
	t.Fatalf("no VP8 frame in a picture of %d bytes", len(webp))
	return nil
}
