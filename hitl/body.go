package hitl

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"
)

// Until its signature is checked, a request is a stranger's. These are the bounds of what strangers can make a server hold.
const (
	bodyTimeout  = 15 * time.Second // for a whole body
	pieceTimeout = 2 * time.Second  // for each piece of a large one
	pieceSize    = 256 << 10
	smallBody    = 64 << 10 // few bodies are larger; those that are do not get in the others' way
	firstRead    = 4 << 10  // of a body of unknown length
)

// bodies bounds the memory that bodies take, from their first byte until their operation has ended. Small ones have a half of
// it. The large ones have the other half, of which those whose signature is not checked yet share a half. Where several have a
// part and need more, one of them goes on beyond that, so that they do not wait for each other.
type bodies struct {
	small, large, unchecked *semaphore.Weighted
	beyond                  *semaphore.Weighted // held by the one body that takes more than there is while it is read
}

func newBodies(budget int64) *bodies {
	return &bodies{
		semaphore.NewWeighted(budget / 2), semaphore.NewWeighted(budget / 2), semaphore.NewWeighted(budget / 4), semaphore.NewWeighted(1),
	}
}

// body is one that is read, with its share of the memory. Before, it has neither.
type body struct {
	data                    []byte
	of                      *bodies
	small, large, unchecked int64
	beyond                  int64 // bytes that there was no memory for
	isBeyond                bool  // it is the one body that may have such bytes
}

// size is how many bytes count for the installation that the body belongs to: none of a small one.
func (b *body) size() int64 { return b.large }

// checked records that the body was read and its signature is right, or that it is dropped.
func (b *body) checked() {
	b.of.unchecked.Release(b.unchecked)
	b.unchecked = 0
	if b.isBeyond {
		b.of.beyond.Release(1)
		b.isBeyond = false
	}
}

// release gives the share back. The data must not be used any more.
func (b *body) release() {
	b.checked()
	b.of.large.Release(b.large)
	b.of.small.Release(b.small)
	b.large, b.small, b.data = 0, 0, nil
}

// read reads a body of at most limit bytes. It takes memory as the body arrives, whatever length was announced, and waits for
// it as long as a body may take. The caller releases the body, also if there is an error.
func (b *body) read(w http.ResponseWriter, r *http.Request, limit int64) error {
	ctx, deadline := r.Context(), time.Now().Add(bodyTimeout)
	control := http.NewResponseController(w)
	from := http.MaxBytesReader(w, r.Body, limit)
	most := limit + 1 // so that the end is seen
	next := int64(firstRead)
	if r.ContentLength >= 0 {
		most = r.ContentLength
		next = min(smallBody, most)
	}
	for {
		if err := b.grow(ctx, deadline, min(next, most)); err != nil {
			return err
		}
		for piece := 0; len(b.data) < cap(b.data); {
			if len(b.data) >= piece {
				until := deadline
				if soon := time.Now().Add(pieceTimeout); cap(b.data) > smallBody && soon.Before(until) {
					until = soon
				}
				_ = control.SetReadDeadline(until) // a recorder in a test cannot do it
				piece = len(b.data) + pieceSize
			}
			n, err := from.Read(b.data[len(b.data):cap(b.data)])
			b.data = b.data[:len(b.data)+n]
			if errors.Is(err, io.EOF) {
				return b.settled(ctx, deadline)
			}
			if err != nil {
				return unreadable(err)
			}
		}
		if int64(len(b.data)) == most {
			return b.settled(ctx, deadline)
		}
		next = 2 * int64(cap(b.data))
	}
}

// settled waits until there is memory for all of the body.
func (b *body) settled(ctx context.Context, deadline time.Time) error {
	if b.beyond == 0 { // even for nothing one would wait in line
		return nil
	}
	if err := acquire(ctx, deadline, b.of.large, b.beyond); err != nil {
		return errBodies
	}
	b.large += b.beyond
	b.beyond = 0
	return nil
}

// grow makes room for that many bytes in all.
func (b *body) grow(ctx context.Context, deadline time.Time, size int64) error {
	if more := min(size, smallBody) - b.small; more > 0 {
		if err := acquire(ctx, deadline, b.of.small, more); err != nil {
			return errBodies
		}
		b.small += more
	}
	if more := size - smallBody - b.large - b.beyond; more > 0 && (b.isBeyond || !b.tryLarge(more)) {
		if !b.isBeyond {
			if err := acquire(ctx, deadline, b.of.beyond, 1); err != nil {
				return errBodies
			}
			b.isBeyond = true
		}
		if !b.tryLarge(more) {
			b.beyond += more
		}
	}
	b.data = append(make([]byte, 0, size), b.data...)
	return nil
}

// acquire waits until the deadline. Mostly it need not.
func acquire(ctx context.Context, deadline time.Time, of *semaphore.Weighted, n int64) error {
	if of.TryAcquire(n) {
		return nil
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	return of.Acquire(ctx, n)
}

func (b *body) tryLarge(more int64) bool {
	if !b.of.unchecked.TryAcquire(more) {
		return false
	}
	if !b.of.large.TryAcquire(more) {
		b.of.unchecked.Release(more)
		return false
	}
	b.unchecked += more
	b.large += more
	return true
}

var errBodies = overloaded("too many large requests at once")
