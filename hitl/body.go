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
// it. The large ones have the other half, of which those whose signature is not checked yet share a half.
type bodies struct {
	small, large, unchecked *semaphore.Weighted
}

func newBodies(budget int64) *bodies {
	return &bodies{semaphore.NewWeighted(budget / 2), semaphore.NewWeighted(budget / 2), semaphore.NewWeighted(budget / 4)}
}

// body is one that was read, with its share of the memory.
type body struct {
	data                    []byte
	of                      *bodies
	small, large, unchecked int64
}

// size is how many bytes count for the installation that the body belongs to: none of a small one.
func (b *body) size() int64 { return b.large }

// checked tells that the signature is right.
func (b *body) checked() {
	b.of.unchecked.Release(b.unchecked)
	b.unchecked = 0
}

// release gives the share back. The data must not be used any more.
func (b *body) release() {
	b.checked()
	b.of.large.Release(b.large)
	b.of.small.Release(b.small)
	b.large, b.small = 0, 0
}

// read reads a body of at most limit bytes. It takes memory as the body arrives, whatever length was announced, and waits for
// it as long as a body may take. The caller releases the body, unless there is an error.
func (s *bodies) read(w http.ResponseWriter, r *http.Request, limit int64) (*body, error) {
	ctx, cancel := context.WithTimeout(r.Context(), bodyTimeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	control := http.NewResponseController(w)
	from := http.MaxBytesReader(w, r.Body, limit)
	most := limit + 1 // so that the end is seen
	next := int64(firstRead)
	if r.ContentLength >= 0 {
		most = r.ContentLength
		next = min(smallBody, most)
	}
	b := &body{of: s}
	for {
		if err := b.grow(ctx, min(next, most)); err != nil {
			b.release()
			return nil, err
		}
		for piece := 0; len(b.data) < cap(b.data); {
			if len(b.data) >= piece {
				until := deadline
				if cap(b.data) > smallBody {
					until = earliest(deadline, time.Now().Add(pieceTimeout))
				}
				_ = control.SetReadDeadline(until) // a recorder in a test cannot do it
				piece = len(b.data) + pieceSize
			}
			n, err := from.Read(b.data[len(b.data):cap(b.data)])
			b.data = b.data[:len(b.data)+n]
			if errors.Is(err, io.EOF) {
				return b, nil
			}
			if err != nil {
				b.release()
				return nil, unreadable(err)
			}
		}
		if int64(len(b.data)) == most {
			return b, nil
		}
		next = 2 * int64(cap(b.data))
	}
}

// grow makes room for that many bytes in all.
func (b *body) grow(ctx context.Context, size int64) error {
	for _, part := range []struct {
		of   *semaphore.Weighted
		held *int64
		want int64
	}{
		{b.of.small, &b.small, min(size, smallBody)},
		{b.of.unchecked, &b.unchecked, size - smallBody},
		{b.of.large, &b.large, size - smallBody},
	} {
		more := part.want - *part.held
		if more <= 0 {
			continue
		}
		if err := part.of.Acquire(ctx, more); err != nil {
			return overloaded("too many large requests at once")
		}
		*part.held = part.want
	}
	b.data = append(make([]byte, 0, size), b.data...)
	return nil
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
