package cli

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hitl-go/sdk/internal/sessionview"
)

// when is a time for people: local, with its age.
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime) + " (" + age(time.Since(t)) + ")"
}

func age(d time.Duration) string {
	form := "%s ago"
	if d < 0 {
		d, form = -d, "in %s"
	}
	n, unit := int(d/time.Second), "s"
	switch {
	case d >= 48*time.Hour:
		n, unit = int(d/(24*time.Hour)), "days"
	case d >= 2*time.Hour:
		n, unit = int(d/time.Hour), "h"
	case d >= 2*time.Minute:
		n, unit = int(d/time.Minute), "min"
	}
	return fmt.Sprintf(form, fmt.Sprintf("%d %s", n, unit))
}

// table aligns rows of cells.
func table(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

func (a App) printSessions(all []sessionview.Summary) error {
	if len(all) == 0 {
		a.say("There are none.")
		return nil
	}
	rows := [][]string{{"PHASE", "CONVERSATION", "SESSION", "CREATED", "MESSAGES"}}
	for _, s := range all {
		messages := "-"
		if s.Pending {
			messages = "undelivered"
		}
		rows = append(rows, []string{s.Phase, s.ConversationID, cmp.Or(sessionview.Clean(s.SessionID), "-"), when(s.CreatedAt), messages})
	}
	return table(a.Stdout, rows)
}

// meaning says what a phase means.
var meaning = map[string]string{
	sessionview.Opening:   "the help desk is asked to open it",
	sessionview.Open:      "end user and agents can write",
	sessionview.Closing:   "it is over for the end user, and the help desk is still to be told",
	sessionview.Closed:    "it is over",
	sessionview.Abandoned: "it could not be opened, and nobody tries to any more",
}

// undelivered is how many messages are undelivered.
func undelivered(s *sessionview.Session) string {
	if s.MoreUndelivered {
		return fmt.Sprintf("%d or more", len(s.Undelivered))
	}
	return strconv.Itoa(len(s.Undelivered))
}

func (a App) printSession(s *sessionview.Session) error {
	sections := []struct {
		title string
		rows  [][]string
	}{
		{title: "Session " + cmp.Or(sessionview.Clean(s.SessionID), "without an id in the help desk"), rows: [][]string{
			{"conversation", s.ConversationID},
			{"phase", s.Phase + ": " + meaning[s.Phase]},
			{"created", when(s.CreatedAt)},
			{"started", when(s.StartedAt)},
			{"ended", when(s.ClosedAt)},
			{"changed", when(s.UpdatedAt)},
		}},
		{title: "Users"},
		{title: "Undelivered messages"},
		{title: "Latest messages"},
		{title: "Latest events"},
		{title: "Leases"},
	}
	if s.MoreUndelivered {
		sections[2].title += ": " + undelivered(s) + ", of which these are the latest"
	}
	add := func(i int, row ...string) { sections[i].rows = append(sections[i].rows, row) }
	for _, u := range s.Users {
		add(1, cmp.Or(u.Name, "-"), cmp.Or(u.Kind, "-"), u.ID, cmp.Or(sessionview.Clean(u.DeskID), "-"))
	}
	for _, m := range s.Undelivered {
		add(2, messageRow(m)...)
	}
	for _, m := range s.Messages {
		add(3, messageRow(m)...)
	}
	for _, e := range s.Events {
		add(4, when(e.CreatedAt), e.Type, strings.TrimSpace(e.Status+" "+e.FailureReason), e.Payload)
	}
	for _, l := range s.Leases {
		state := "held until "
		if l.Expired {
			state = "expired at "
		}
		add(5, l.State, l.Purpose, state+when(l.Until))
	}
	for i, section := range sections {
		if len(section.rows) == 0 {
			section.rows = [][]string{{"none"}}
		}
		if i > 0 {
			fmt.Fprintln(a.Stdout)
		}
		fmt.Fprintln(a.Stdout, section.title)
		for _, row := range section.rows {
			row[0] = "  " + row[0]
		}
		if err := table(a.Stdout, section.rows); err != nil {
			return err
		}
	}
	return nil
}

func messageRow(m sessionview.Message) []string {
	return []string{when(m.CreatedAt), m.From, delivery(m), m.Text}
}

// delivery says how far a message to the desk has come.
func delivery(m sessionview.Message) string {
	switch {
	case !m.ToDesk:
		return "from the help desk"
	case m.Refused != "":
		return "refused: " + m.Refused
	case !m.FailedAt.IsZero():
		return strings.TrimSpace(fmt.Sprintf("failed %s %s", when(m.FailedAt), m.Delivered))
	case m.Delivered == "":
		return "not delivered yet"
	default:
		return "delivered " + m.Delivered
	}
}
