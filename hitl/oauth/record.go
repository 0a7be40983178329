package oauth

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
)

// record is what the replicas share.
type record struct {
	Client string `json:"client,omitempty"` // Whose token it is, see [Source.client].
	Token  token  `json:"token,omitzero"`

	// Claim is there while a replica renews the token. A claim that has ended without its result is one whose answer got lost.
	Claim *claim `json:"claim,omitempty"`

	Problem string `json:"problem,omitempty"` // Why there is no token, in the desk's terms.

	// For connecting an account.
	WebhookURL string   `json:"webhookUrl,omitempty"`
	Key        []byte   `json:"key,omitempty"` // Signs the state parameter.
	Used       []signed `json:"used,omitempty"`
}

type claim struct {
	ID    string    `json:"id"`
	Until time.Time `json:"until"`
}

// renewal is a claim and what came of it.
type renewal struct {
	claim string
	token token
}

// step is what to do about a record.
type step int

const (
	use   step = iota // Its token.
	wait              // For the replica that renews it.
	renew             // It.
	fail              // It takes a person to mend.
)

// next decides what to do.
func (s *Source) next(r record, rejected string) (step, error) {
	now := time.Now()
	if r.Client != s.client() {
		r.Token, r.Claim, r.Problem = token{}, nil, ""
	}
	switch {
	case r.Token.Access != rejected && !r.Token.due(now, s.jitter):
		return use, nil
	case r.Claim != nil && now.Before(r.Claim.Until):
		return wait, nil
	case !s.byCode:
		return renew, nil
	case r.Claim != nil && !s.repeatable():
		return fail, s.ownerError("%s has not answered when its sign-in was last renewed, and takes it for stolen if that is tried again. Connect %s again, in the configuration of the integration.")
	case r.Token.Refresh != "":
		return renew, nil
	case r.Problem != "":
		return fail, s.ownerError("%s has ended its sign-in (" + r.Problem + "). Connect %s again, in the configuration of the integration.")
	case r.Token.Access != "":
		return fail, s.ownerError("The sign-in to %s has ended, and cannot be renewed. Connect %s again, in the configuration of the integration.")
	}
	return fail, s.ownerError("%s is not connected. Connect %s in the configuration of the integration.")
}

func (s *Source) ownerError(format string) error {
	return hitl.Errorf(format, s.config.Desk, s.config.Desk)
}

const (
	shortestPoll = 100 * time.Millisecond // Between two looks at whether another replica has renewed the token.
	longestPoll  = 2 * time.Second
)

// renewed returns the record's token, renewed if need be. While the old token is valid, a problem with the new one is only logged.
func (s *Source) renewed(ctx context.Context, rejected string) (token, error) {
	if err := s.saveLate(ctx); err != nil {
		s.in.Logger.WarnContext(ctx, "a renewed token is not stored yet; if this process ends now, the account must be connected again", "error", err)
	}
	if t, _ := s.kept(); t.Access != rejected && !t.due(time.Now(), s.jitter) {
		return t, nil // Who had the turn before has renewed it.
	}
	for pause := shortestPoll; ; pause = min(2*pause, longestPoll) {
		t, done, err := s.look(ctx, rejected)
		if err == nil && done {
			return s.keep(t), nil
		}
		if old, _ := s.kept(); old.Access != rejected && old.valid(time.Now()) {
			if err != nil {
				s.in.Logger.WarnContext(ctx, "a token could not be renewed", "until", old.Expiry, "error", err)
			}
			return old, nil
		}
		if err != nil {
			return token{}, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return token{}, ctx.Err()
		}
	}
}

// look reads the record, and renews its token if nobody else does. It returns the token if it is done.
func (s *Source) look(ctx context.Context, rejected string) (t token, done bool, err error) {
	var r record
	if _, err := s.in.State.Get(ctx, StateName, &r); err != nil {
		return token{}, false, err
	}
	do, err := s.next(r, rejected)
	if do == renew {
		mine := &claim{ID: rand.Text(), Until: time.Now().Add(renewTimeout + claimMargin)}
		r = record{}
		err = s.in.State.Update(ctx, StateName, &r, func(context.Context) (err error) {
			if do, err = s.next(r, rejected); do == renew {
				s.adopt(&r)
				r.Claim = mine
			}
			return err
		})
		if err == nil && do == renew {
			t, err = s.renew(ctx, r, mine.ID)
			return t, err == nil, err
		}
	}
	if err != nil {
		return token{}, false, err
	}
	if r.Client == s.client() && r.Token.Access != rejected && r.Token.valid(time.Now()) {
		s.keep(r.Token)
	}
	return r.Token, do == use, nil
}

// adopt empties the record of what belongs to another client.
func (s *Source) adopt(r *record) {
	if r.Client != s.client() {
		r.Client, r.Token, r.Claim, r.Problem = s.client(), token{}, nil, ""
	}
}

const (
	renewTimeout = 25 * time.Second // For the desk to answer.
	claimMargin  = 15 * time.Second // To store the answer; and clocks differ.
	saveTimeout  = 15 * time.Second
)

// renew asks the desk for a new token, and stores it. The end of the operation does not interrupt it: its answer would be lost.
func (s *Source) renew(ctx context.Context, r record, claimID string) (token, error) {
	ctx = context.WithoutCancel(ctx)
	working, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	t, problem := s.request(working, r.Token.Refresh)
	var refused *refusal
	switch {
	case problem == nil:
		s.mu.Lock()
		s.current, s.unsaved = t, &renewal{claimID, t}
		s.mu.Unlock()
		if err := s.saveLate(ctx); err != nil {
			s.in.Logger.WarnContext(ctx, "a renewed token could not be stored; that is tried again", "error", err)
		}
		if stored, _ := s.kept(); stored.valid(time.Now()) {
			return stored, nil
		}
		return t, nil
	case errors.Is(problem, errLost) && !s.repeatable():
		// The claim stays, as the note that this refresh token has been used.
		s.settle(ctx, claimID, func(r *record) { r.Claim.Until = time.Now() })
		s.show(ctx, botpress.Null[string]())
		_, err := s.next(record{Client: s.client(), Claim: &claim{}}, "")
		return token{}, errors.Join(err, problem)
	case errors.As(problem, &refused) && s.byCode:
		s.settle(ctx, claimID, func(r *record) { r.Claim, r.Token, r.Problem = nil, token{}, refused.code })
		s.show(ctx, botpress.Null[string]())
		_, err := s.next(record{Client: s.client(), Problem: refused.code}, "")
		return token{}, errors.Join(err, problem)
	case errors.As(problem, &refused):
		s.settle(ctx, claimID, func(r *record) { r.Claim = nil })
		err := hitl.Errorf("%s does not accept the client (%s). Check its ID and secret in the configuration of the integration.", s.config.Desk, refused.code)
		return token{}, errors.Join(err, problem)
	}
	s.settle(ctx, claimID, func(r *record) { r.Claim = nil })
	return token{}, problem
}

// settle changes the record if the claim is still ours. If that fails, the claim ends by itself.
func (s *Source) settle(ctx context.Context, claimID string, change func(*record)) {
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	var r record
	err := s.in.State.Update(ctx, StateName, &r, func(context.Context) error {
		if r.Claim != nil && r.Claim.ID == claimID {
			change(&r)
		}
		return nil
	})
	if err != nil {
		s.in.Logger.WarnContext(ctx, "the result of a renewal could not be stored", "error", err)
	}
}

// saveLate stores a renewed token, if there is one that is not stored. An account that was connected meanwhile wins.
func (s *Source) saveLate(ctx context.Context) error {
	s.mu.Lock()
	late := s.unsaved
	s.mu.Unlock()
	if late == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	var r record
	err := s.in.State.Update(ctx, StateName, &r, func(context.Context) error {
		if r.Claim != nil && r.Claim.ID == late.claim {
			r.Claim, r.Token, r.Problem = nil, late.token, ""
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.unsaved = r.Token, nil
	return nil
}
