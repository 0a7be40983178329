package oauth

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/hitl-go/sdk/botpress"
	"github.com/hitl-go/sdk/hitl"
	"github.com/hitl-go/sdk/internal/lease"
	"github.com/hitl-go/sdk/internal/sleep"
)

// record is what the replicas share.
type record struct {
	// Grants are by client, see [Source.client]: while a configuration changes, old replicas go on with the old client.
	Grants map[string]grant `json:"grants,omitempty"`

	// For connecting an account.
	WebhookURL string   `json:"webhookUrl,omitempty"`
	Secret     string   `json:"signing_secret,omitempty"` // Signs the state parameter.
	Used       []signed `json:"used,omitempty"`
}

// grant is what a client was given.
type grant struct {
	Token token `json:"token,omitzero"`

	// Claim is there while a replica renews the token. A claim that has ended without its result is one whose answer got lost.
	Claim *claim `json:"claim,omitempty"`

	Problem string    `json:"problem,omitempty"` // Why there is no token, in the desk's terms.
	Changed time.Time `json:"changed"`
}

type claim struct {
	ID    string    `json:"id"`
	Until time.Time `json:"until"`
}

// maxGrants is how many clients are remembered.
const maxGrants = 3

// set changes a client's grant. Of too many, the one is forgotten that has not changed for the longest time.
func (r *record) set(client string, g grant) {
	if r.Grants == nil {
		r.Grants = map[string]grant{}
	}
	g.Changed = time.Now()
	r.Grants[client] = g
	for len(r.Grants) > maxGrants {
		oldest := client
		for other, g := range r.Grants {
			if g.Changed.Before(r.Grants[oldest].Changed) {
				oldest = other
			}
		}
		delete(r.Grants, oldest)
	}
}

// renewal is a claim and what came of it.
type renewal struct {
	claim string
	token token
}

// step is what to do about a grant.
type step int

const (
	useToken     step = iota // the token is good
	waitForToken             // another replica renews it
	renewToken               // this replica renews it
	fail                     // the account must be connected again
)

// next decides what to do.
func (s *Source) next(g grant, rejected string) (step, error) {
	now := time.Now()
	if unused := s.unusedClaim(); unused != "" && g.Claim != nil && g.Claim.ID == unused {
		g.Claim = nil
	}
	switch {
	case g.Token.Access != rejected && !g.Token.due(now, s.jitter):
		return useToken, nil
	case g.Claim != nil && now.Before(g.Claim.Until):
		return waitForToken, nil
	case s.repeatable() && (!s.byCode || g.Token.Refresh != ""):
		return renewToken, nil
	case g.Claim != nil:
		return fail, s.ownerError("The sign-in to %[1]s could not be renewed safely: its answer was lost. Connect %[1]s again, in the configuration of the integration.")
	case g.Token.Refresh != "":
		return renewToken, nil
	case g.Problem != "":
		return fail, s.ownerError("%[1]s has ended the sign-in (%[2]s). Connect %[1]s again, in the configuration of the integration.", g.Problem)
	case g.Token.Access != "":
		return fail, s.ownerError("The sign-in to %[1]s has ended, and cannot be renewed. Connect %[1]s again, in the configuration of the integration.")
	}
	return fail, s.ownerError("%[1]s is not connected. Connect %[1]s in the configuration of the integration.")
}

// ownerError is for the bot's owner, who can fix it: messages wait for that.
func (s *Source) ownerError(format string, more ...any) error {
	err := hitl.Errorf(format, append([]any{s.config.Desk}, more...)...)
	err.Temporary = true
	return err
}

func (s *Source) unusedClaim() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.withdrawn
}

const (
	shortestPoll = 100 * time.Millisecond // Between two looks at whether another replica has renewed the token.
	longestPoll  = 2 * time.Second
)

// renewed returns the grant's token, renewed if need be. While the old token is valid, a problem with the new one is only logged.
func (s *Source) renewed(ctx context.Context, rejected string) (token, error) {
	if err := s.save(ctx); err != nil {
		s.in.Logger.WarnContext(ctx, "a renewed token is not stored yet; if this process ends now, the account must be connected again", "error", err)
	}
	if t := s.kept(); t.Access != rejected && !t.due(time.Now(), s.jitter) && s.isConfirmed() {
		return t, nil // Who had the turn before has renewed it.
	}
	for pause := shortestPoll; ; pause = min(2*pause, longestPoll) {
		t, done, err := s.look(ctx, rejected)
		if err == nil && done {
			return s.keep(t), nil
		}
		if old := s.kept(); old.Access != rejected && old.valid(time.Now()) {
			if err != nil {
				s.in.Logger.WarnContext(ctx, "a token could not be renewed, or compared with the stored one", "until", old.Expiry, "error", err)
			}
			return s.keep(old), nil
		}
		if err != nil {
			return token{}, err
		}
		if err := sleep.For(ctx, pause); err != nil {
			return token{}, err
		}
	}
}

// look reads the grant, and renews its token if nobody else does. It returns the token if it is done.
func (s *Source) look(ctx context.Context, rejected string) (t token, done bool, err error) {
	var r record
	if _, err := s.in.State.Get(ctx, StateName, &r); err != nil {
		return token{}, false, err
	}
	g := r.Grants[s.client()]
	do, err := s.next(g, rejected)
	if do == renewToken {
		if err := s.stillRefused(); err != nil {
			return token{}, false, err
		}
		if g, do, err = s.claim(ctx, rejected); err == nil && do == renewToken {
			t, err = s.renew(ctx, g)
			t.forced = rejected != "" && err == nil
			return t, err == nil, err
		}
	}
	if err != nil {
		return token{}, false, err
	}
	if g.Token.Access != rejected && g.Token.valid(time.Now()) {
		s.keep(g.Token)
	}
	return g.Token, do == useToken, nil
}

// refusedFor is how long a desk that has refused the client is not asked for a token: its answer would be the same, and some desks lock
// out who asks too often.
const refusedFor = 30 * time.Second

// stillRefused returns the desk's last refusal, as long as it counts.
func (s *Source) stillRefused() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.refusedAt) < refusedFor {
		return s.refused
	}
	return nil
}

const (
	renewTimeout = 25 * time.Second // For the desk to answer.
	claimMargin  = 24 * time.Second // To store the answer; and clocks differ. An operation can wait until a claim has ended.
	saveTimeout  = 15 * time.Second
)

// claim notes that this replica renews the token, unless there is something else to do by now. The end of the operation does not
// interrupt it: nobody could tell whether the note was written.
func (s *Source) claim(ctx context.Context, rejected string) (g grant, do step, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	var r record
	var mine *claim
	err = s.in.State.Update(ctx, StateName, &r, func(context.Context) (err error) {
		g = r.Grants[s.client()]
		if do, err = s.next(g, rejected); do == renewToken {
			mine = &claim{ID: rand.Text(), Until: time.Now().Add(renewTimeout + claimMargin)}
			g.Claim = mine
			r.set(s.client(), g)
		}
		return err
	})
	if err != nil && mine != nil {
		s.withdraw(ctx, mine.ID)
	}
	return g, do, err
}

// withdraw takes a claim back that may have been written, and was not used.
func (s *Source) withdraw(ctx context.Context, id string) {
	s.mu.Lock()
	s.withdrawn = id
	s.mu.Unlock()
	<-time.After(lease.Settle) // What is on its way has arrived by then, or never does.
	s.settle(ctx, id, func(g *grant) { g.Claim = nil })
}

// renew asks the desk for a new token, and stores it. The end of the operation does not interrupt it: its answer would be lost.
func (s *Source) renew(ctx context.Context, g grant) (token, error) {
	ctx = context.WithoutCancel(ctx)
	working, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	id := g.Claim.ID
	t, problem := s.request(working, g.Token.Refresh)
	var refused *refusal
	switch {
	case problem == nil:
		s.mu.Lock()
		s.current, s.confirmed, s.unsaved = t, time.Now(), &renewal{id, t}
		s.mu.Unlock()
		if err := s.save(ctx); err != nil {
			s.in.Logger.WarnContext(ctx, "a renewed token could not be stored; that is tried again", "error", err)
			s.saveLater()
		}
		return t, nil
	case errors.Is(problem, errLost) && !s.repeatable():
		// The claim stays, as the note that this refresh token has been used.
		s.settle(ctx, id, func(g *grant) { g.Claim.Until = time.Now() })
		s.show(ctx, botpress.Null[string]())
		_, err := s.next(grant{Claim: &claim{}}, "")
		return token{}, errors.Join(err, problem)
	case errors.As(problem, &refused) && s.byCode && refused.code == invalidGrant:
		s.settle(ctx, id, func(g *grant) { g.Claim, g.Token, g.Problem = nil, token{}, refused.code })
		s.show(ctx, botpress.Null[string]())
		_, err := s.next(grant{Problem: refused.code}, "")
		return token{}, errors.Join(err, problem)
	case errors.As(problem, &refused): // What somebody has connected is kept: it is not what the desk refuses.
		s.settle(ctx, id, func(g *grant) { g.Claim = nil })
		text := "%[1]s does not accept the client (%[2]s). Check its ID and secret in the configuration of the integration."
		if s.byCode {
			text += " If they are right, connect %[1]s again."
		}
		problem = errors.Join(s.ownerError(text, refused.code), problem)
		s.mu.Lock()
		s.refused, s.refusedAt = problem, time.Now()
		s.mu.Unlock()
		return token{}, problem
	}
	s.settle(ctx, id, func(g *grant) { g.Claim = nil })
	return token{}, problem
}

// settle changes the grant if the claim is still ours. If that fails, the claim ends by itself.
func (s *Source) settle(ctx context.Context, claimID string, change func(*grant)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	var r record
	err := s.in.State.Update(ctx, StateName, &r, func(context.Context) error {
		if g := r.Grants[s.client()]; g.Claim != nil && g.Claim.ID == claimID {
			change(&g)
			r.set(s.client(), g)
		}
		return nil
	})
	if err != nil {
		s.in.Logger.WarnContext(ctx, "the result of a renewal could not be stored", "error", err)
	}
}

// save stores a renewed token, if there is one that is not stored. An account that was connected meanwhile wins.
func (s *Source) save(ctx context.Context) error {
	s.mu.Lock()
	late := s.unsaved
	s.mu.Unlock()
	if late == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	var r record
	var g grant
	err := s.in.State.Update(ctx, StateName, &r, func(context.Context) error {
		if g = r.Grants[s.client()]; g.Claim != nil && g.Claim.ID == late.claim {
			g.Claim, g.Token, g.Problem = nil, late.token, ""
			r.set(s.client(), g)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unsaved == late {
		s.unsaved = nil
		if g.Token.Access != "" {
			s.current, s.confirmed = g.Token, time.Now()
		}
	}
	return nil
}

const (
	firstSave = time.Second // the first pause between two attempts to store a token
	longSave  = time.Minute // the longest one
	lastSave  = time.Hour   // when the attempts end
)

// saveLater stores the token as soon as that is possible: if this process ended before, the account would have to be connected again.
func (s *Source) saveLater() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.retrying || s.life.Err() != nil {
		return
	}
	s.retrying = true
	s.saving.Go(func() {
		began := time.Now()
		for pause := firstSave; time.Since(began) < lastSave; pause = min(2*pause, longSave) {
			select {
			case <-time.After(pause):
			case <-s.life.Done():
				return
			}
			if s.save(s.life) == nil {
				break
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.retrying = false
	})
}
