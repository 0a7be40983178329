package hitl

import (
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/internal/wire"
)

// signatures remembers for whom requests were signed. A signature covers the time and the body, and none of the headers that
// say for which bot the request is, and what is asked for. Botpress repeats requests as they are; with other headers, it is
// somebody who has captured one.
//
// What is remembered is bounded: of several replicas each knows what it has seen itself, and of many requests the last ones.
// The zero value has seen none.
type signatures struct {
	mu                sync.Mutex
	current, previous map[uint64]uint64 // what was signed, and for whom, as half digests
	since             time.Time
}

const (
	// signatureMemory is how long a signature is remembered at least: as long as it is valid, also one from the future.
	signatureMemory = 2 * botpress.SignatureTolerance
	// maxSignatures is how many are remembered at least, if there are so many: some 2 MB, and twice as much at most.
	maxSignatures = 1 << 16
)

// digest is a part of a SHA-256 hash that nobody can find twice.
type digest [16]byte

func digestOf(parts ...string) digest { return digestIn(digest{}, parts...) }

// digestIn is the digest of parts within something else that is known by its digest. No two lists have the same.
func digestIn(outer digest, parts ...string) digest {
	var text [512]byte
	all := append(text[:0], outer[:]...)
	for _, part := range parts {
		all = append(binary.AppendUvarint(all, uint64(len(part))), part...)
	}
	sum := sha256.Sum256(all)
	return digest(sum[:len(digest{})])
}

// half is enough where a second one would have to be found while a signature is valid.
func (d digest) half() uint64 { return binary.BigEndian.Uint64(d[:]) }

// isReplay reports whether a signed request was received before for somebody else.
func (s *signatures) isReplay(header http.Header, body []byte) bool {
	stamp, _, _ := strings.Cut(header.Get(botpress.SignatureHeader), ",") // the hashes may be several, and any of them may be left out
	sum := sha256.Sum256(body)
	signed := digestOf(stamp, string(sum[:])).half()
	forWhom := digestOf(
		wire.Get(header, wire.HeaderOperation), wire.Get(header, wire.HeaderBotID), wire.Get(header, wire.HeaderBotUserID), wire.Get(header, wire.HeaderIntegrationID),
		wire.Get(header, wire.HeaderIntegrationAlias), wire.Get(header, wire.HeaderWebhookID), wire.Get(header, wire.HeaderConfigurationType),
		wire.Get(header, wire.HeaderConfiguration),
	).half()
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); s.current == nil || now.Sub(s.since) >= signatureMemory || len(s.current) >= maxSignatures {
		s.previous, s.current, s.since = s.current, map[uint64]uint64{}, now
	}
	before, known := s.current[signed]
	if !known {
		before, known = s.previous[signed]
	}
	if known {
		return before != forWhom
	}
	s.current[signed] = forWhom
	return false
}
