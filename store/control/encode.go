package control

import (
	"context"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"berth/assets/httpsem"
	"berth/assets/manifest"
	"berth/store"
)

// Encoder makes content codings of files. It is safe for concurrent use. An error says that this coding of this file was
// not made, for whatever reason; what was written is thrown away. It must end soon after its context.
type Encoder interface {
	Encode(ctx context.Context, dst io.Writer, src io.Reader, size int64, e httpsem.Encoding) error
}

// minEncoded is the size below which no coding is made: the file, its header fields and a coding of it all fit in one
// packet, so nobody would get it sooner.
const minEncoded = 256

// codings are what a file is stored in beside what was uploaded.
var codings = [...]httpsem.Encoding{httpsem.Gzip, httpsem.Zstd, httpsem.Brotli}

// encodings makes the encoded forms of deployed files in the background, after the deployment is live.
//
// Everything it needs to know after a kill is in the store: which deployments want their listing (written in the batch
// that published them), and which blobs were encoded already. A blob is encoded once, however many deployments have it.
//
// One deployment is worked on at a time, with all workers. First come deployments that production hosts serve, then those
// that are the newest of their branch, then the rest; of each sort the newest first. A deployment that is worked on gives
// way to a better one after the files in hand, and is taken up again later, so a new deployment never waits behind old
// ones. Its own files are gone through twice, see encodePasses.
//
// What it relies on is reserved as a publication does it, see upkeep, so a sweep takes nothing that a listing is about to
// name.
type encodings struct {
	svc      *Service
	queue    encodeQueue
	failures encodeFailures
	verdicts *lru.Cache[pair, bool] // on siblings
	stats    encodeCounters
	budget   int64         // siblingBudget, but in tests
	failing  time.Duration // how long to wait after the next failure of the disk or the encoder; 0: all is well

	// pause waits for the end of ctx, of a time, or for a deployment to come (wake, if not nil). Tests have their own.
	pause func(ctx context.Context, d time.Duration, wake <-chan struct{})
}

// maxVerdicts bounds the memory of verdicts on siblings: about 5 MiB.
const maxVerdicts = 32 << 10

func newEncodings(s *Service) (*encodings, error) {
	verdicts, err := lru.New[pair, bool](maxVerdicts)
	return &encodings{
		svc: s, verdicts: verdicts, pause: pause, budget: siblingBudget,
		queue:    encodeQueue{wake: make(chan struct{}, 1)},
		failures: encodeFailures{tries: make(map[formID]int)},
	}, err
}

func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-wake:
	}
}

// on says whether codings are made here. Otherwise only what CI uploaded encoded is used.
func (j *encodings) on() bool { return j.svc.deps.Encoder != nil && j.svc.opts.CompressWorkers > 0 }

func (j *encodings) workers() int {
	if j.on() {
		return j.svc.opts.CompressWorkers
	}
	return min(2, runtime.GOMAXPROCS(0))
}

// EncodeStats counts what the background encoding has done since the start.
type EncodeStats struct {
	Waiting     int    // deployments in the queue
	Deployments uint64 // finished
	Blobs       uint64 // encoded
	Variants    uint64 // forms that were kept
	Refused     uint64 // forms that would have saved too little
	BytesIn     uint64 // of the blobs
	BytesOut    uint64 // of the forms that were kept
	Failures    uint64 // forms that could not be made, each try counted
	Pauses      uint64 // because of the disk, or an encoder that made nothing at all
	Siblings    uint64 // files that are another one's encoded form, as uploaded
	FalseOnes   uint64 // files that look so and are not
}

type encodeCounters struct {
	deployments, blobs, variants, refused, bytesIn, bytesOut, failures, pauses, siblings, falseOnes atomic.Uint64
}

// EncodeStats counts what was encoded. It takes no lock that a deployment waits for.
func (s *Service) EncodeStats() EncodeStats {
	c := &s.encodings.stats
	return EncodeStats{
		Waiting: s.encodings.queue.len(), Deployments: c.deployments.Load(), Blobs: c.blobs.Load(),
		Variants: c.variants.Load(), Refused: c.refused.Load(), BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
		Failures: c.failures.Load(), Pauses: c.pauses.Load(), Siblings: c.siblings.Load(), FalseOnes: c.falseOnes.Load(),
	}
}

// formIn is the place of one coding in a record.
func formIn(x *store.Encoded, e httpsem.Encoding) *store.FileRef {
	switch e {
	case httpsem.Gzip:
		return &x.Gzip
	case httpsem.Zstd:
		return &x.Zstd
	default:
		return &x.Brotli
	}
}

// notMade stands in a record for a coding that was not tried, or is gone, where the zero value says that it saves too
// little: the name of the blob itself, with no bytes. No coding of anything is empty.
func notMade(blob manifest.Digest) store.FileRef { return store.FileRef{Digest: blob} }

// stored says whether a coding was made and kept.
func stored(f store.FileRef) bool { return f.Size > 0 }

const (
	maxEncodeTries  = 3    // of one coding of one blob, when the encoder is well otherwise
	maxEncodeFaults = 4096 // remembered at a time
)

// encodeRetry is how long a deployment waits for the n-th next try of its failed files.
func encodeRetry(tries int) time.Duration {
	if tries < 2 {
		return time.Minute
	}
	return 10 * time.Minute
}

type formID struct {
	blob manifest.Digest
	e    httpsem.Encoding
}

// encodeFailures remembers what failed, in bounded memory: to forget one costs more tries, nothing else.
type encodeFailures struct {
	mu    sync.Mutex // guards tries
	tries map[formID]int
}

// add counts a failure.
func (f *encodeFailures) add(id formID) (tries int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.tries) >= maxEncodeFaults {
		clear(f.tries)
	}
	f.tries[id]++
	return f.tries[id]
}

func (f *encodeFailures) forget(id formID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.tries, id)
}
