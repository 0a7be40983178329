package botpresstest

import (
	"encoding/json"
	"time"
	"unicode/utf8"
)

// registerEvery is how long a schedule of registration waits from one call to the next. What the real cloud takes for a
// month is not public.
var registerEvery = map[string]time.Duration{
	"hourly": time.Hour, "daily": day, "weekly": 7 * day, "bi-weekly": 14 * day,
	"monthly": 30 * day, "bi-monthly": 60 * day, "quarterly": 91 * day, "yearly": 365 * day,
}

const day = 24 * time.Hour

// configureIntegration sets the schedule of registration and the identifier. Webhooks by identifier are not modelled.
func configureIntegration(r *request) (any, *Error) {
	body, err := decode[struct {
		Identifier           *string         `json:"identifier"`
		ScheduleRegisterCall *string         `json:"scheduleRegisterCall"`
		SandboxIdentifiers   json.RawMessage `json:"sandboxIdentifiers"`
	}](r.body, "identifier? scheduleRegisterCall sandboxIdentifiers?")
	if err != nil {
		return nil, err
	}
	if utf8.RuneCountInString(value(body.Identifier)) > maxName {
		return nil, invalidPayload("identifier has more than %d characters", maxName)
	}
	if r.in == nil {
		return nil, forbidden("only an integration can configure itself")
	}
	if schedule := body.ScheduleRegisterCall; schedule != nil {
		if registerEvery[*schedule] == 0 {
			return nil, invalidPayload("scheduleRegisterCall must be hourly, daily, weekly, bi-weekly, monthly, bi-monthly, quarterly or yearly, not %q", *schedule)
		}
		r.in.reschedule(*schedule)
	}
	var given map[string]json.RawMessage
	_ = json.Unmarshal(r.body, &given) // It was decoded above.
	if _, ok := given["identifier"]; ok {
		r.in.identifier = value(body.Identifier)
	}
	return struct{}{}, nil
}

// Identifier is what the integration set with configureIntegration; null clears it. Botpress shows an installation that has one as
// connected to an account.
func (in *Installation) Identifier() string {
	in.server.mu.Lock()
	defer in.server.mu.Unlock()
	return in.identifier
}

// RegisterSchedule is how often Botpress calls register, such as "hourly": what the integration set with
// configureIntegration. It is empty before that, and once the integration is uninstalled.
//
// A scheduled call is made once, without a retry. If it fails, the integration stays installed. [Server.Settle] does not
// wait for it.
func (in *Installation) RegisterSchedule() string {
	in.server.mu.Lock()
	defer in.server.mu.Unlock()
	return in.schedule
}

// reschedule replaces the schedule of registration; an empty one ends it. The same again changes nothing, so that an
// integration may set it in every register. Hold server.mu.
func (in *Installation) reschedule(schedule string) {
	if in.schedule == schedule {
		return
	}
	in.schedule = schedule
	if in.timer != nil {
		in.timer.Stop()
	}
	in.registerLater()
}

// registerLater waits for the next call of register, if there is a schedule. Hold server.mu.
func (in *Installation) registerLater() {
	s := in.server
	wait := registerEvery[in.schedule]
	if wait == 0 || s.closed {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(wait+s.upTo(s.opts.SchedulerJitter), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if in.timer != timer || in.schedule == "" || s.closed { // It was too late to stop the timer.
			return
		}
		in.registerLater()
		s.wg.Go(func() {
			if err := in.register(s.ctx, opRegister); err != nil {
				s.log.WarnContext(s.ctx, "a scheduled registration has failed", "alias", in.Alias, "error", err)
			}
		})
	})
	in.timer = timer
}
