package zendesktest

import (
	"fmt"
	"net/http"
	"time"
)

// sentence is a description, in each language that an account can have here.
type sentence struct{ en, de string }

func (s sentence) in(language string, args []any) string {
	if language == "de" {
		return fmt.Sprintf(s.de, args...)
	}
	return fmt.Sprintf(s.en, args...)
}

// What descriptions say. Only the keys around them are the same in every language.
var (
	saysInvalidRecord = sentence{"Record validation errors", "Fehler bei der Datensatzprüfung"}
	saysNotFound      = sentence{"Not found", "Nicht gefunden"}
	saysOther         = sentence{"%s", "%s"} // For developers only, and never translated.
	saysTooMany       = sentence{"Number of allowed API requests per minute exceeded", "Anzahl der erlaubten API-Anfragen pro Minute überschritten"}

	saysClosed          = sentence{"Status: closed prevents ticket update", "Status: geschlossen verhindert die Aktualisierung des Tickets"}
	saysStatus          = sentence{"Status: %s is not a valid status", "Status: %s ist kein gültiger Status"}
	saysPriority        = sentence{"Priority: %s is not a valid priority", "Priorität: %s ist keine gültige Priorität"}
	saysNoAssignee      = sentence{"Assignee: is required when solving a ticket", "Mitarbeiter: wird zum Lösen eines Tickets benötigt"}
	saysAssignee        = sentence{"Assignee: is invalid", "Mitarbeiter: ist ungültig"}
	saysRequester       = sentence{"Requester: Name:  is too short (minimum is 1 character)", "Anfragender: Name: ist zu kurz (mindestens 1 Zeichen)"}
	saysSuspended       = sentence{"Requester: %s is suspended.", "Anfragender: %s ist gesperrt."}
	saysAuthorSuspended = sentence{"Author: %s is suspended.", "Verfasser: %s ist gesperrt."}
	saysAuthor          = sentence{"Author: is invalid", "Verfasser: ist ungültig"}
	saysNoDescription   = sentence{"Description: cannot be blank", "Beschreibung: muss ausgefüllt werden"}
	saysNoteByEndUser   = sentence{"Comment: end users cannot write internal notes", "Kommentar: Endbenutzer können keine internen Notizen schreiben"}
	saysLongComment     = sentence{"Comment: is too long", "Kommentar: ist zu lang"}
	saysAttachment      = sentence{"Attachment: is invalid", "Anhang: ist ungültig"}
	saysFilename        = sentence{"filename: is required", "filename: wird benötigt"}

	saysShortName     = sentence{"Name:  is too short (minimum is 1 character)", "Name: ist zu kurz (mindestens 1 Zeichen)"}
	saysLongName      = sentence{"Name:  is too long (maximum is 255 characters)", "Name: ist zu lang (höchstens 255 Zeichen)"}
	saysLongPhoto     = sentence{"Remote photo url: is too long (maximum is 255 characters)", "Remote photo url: ist zu lang (höchstens 255 Zeichen)"}
	saysAddress       = sentence{"Email: %s is not properly formatted", "E-Mail: %s hat ein falsches Format"}
	saysTakenAddress  = sentence{"Email: %s is already being used by another user", "E-Mail: %s wird bereits von einem anderen Benutzer verwendet"}
	saysTakenExternal = sentence{"External: has already been taken", "Externe ID: ist bereits vergeben"}
	saysRole          = sentence{"Role: %s is not a valid role", "Rolle: %s ist keine gültige Rolle"}

	saysNoTitle    = sentence{"Title: cannot be blank", "Titel: muss ausgefüllt werden"}
	saysConditions = sentence{"Conditions: at least one is needed", "Bedingungen: mindestens eine wird benötigt"}
	saysCondition  = sentence{"Conditions: %s %s is invalid", "Bedingungen: %s %s ist ungültig"}
	saysActions    = sentence{"Actions: %s is invalid", "Aktionen: %s ist ungültig"}
)

// apiError is a refusal, in the form in which Zendesk writes it.
type apiError struct {
	status int
	kind   string
	says   sentence
	args   []any

	field       string // Of the record, where one is at fault.
	code        string // Of the detail: what programs can go by.
	ticketField string // The type of the ticket's field that is at fault, such as "FieldAssignee".

	retryAfter time.Duration // For 429.
	raw        any           // The whole answer where Zendesk writes another one.
}

func (e *apiError) Error() string { return "zendesktest: " + e.kind + ": " + e.says.in("", e.args) }

// ticketFields are the numbers of an account's own fields, by type.
var ticketFieldIDs = map[string]int64{"FieldStatus": 360_000_001, "FieldPriority": 360_000_002, "FieldAssignee": 360_000_003, "FieldDescription": 360_000_004}

// body is the answer in the account's language.
func (e *apiError) body(language string) any {
	switch {
	case e.raw != nil:
		return e.raw
	case e.field == "":
		return wire{"error": e.kind, "description": e.says.in(language, e.args)}
	}
	detail := wire{"description": e.says.in(language, e.args), "error": orNull(e.code)}
	if e.ticketField != "" {
		detail["ticket_field_id"], detail["ticket_field_type"] = ticketFieldIDs[e.ticketField], e.ticketField
	}
	return wire{"error": e.kind, "description": saysInvalidRecord.in(language, nil), "details": wire{e.field: []wire{detail}}}
}

// invalid refuses a record for one of its fields, or for "base" if it is not the fault of one alone.
func invalid(field string, says sentence, args ...any) *apiError {
	return &apiError{status: http.StatusUnprocessableEntity, kind: "RecordInvalid", field: field, says: says, args: args}
}

// of names the ticket's field that is at fault.
func (e *apiError) of(ticketField string) *apiError { e.ticketField = ticketField; return e }

func duplicate(field string, says sentence, args ...any) *apiError {
	e := invalid(field, says, args...)
	e.code = "DuplicateValue"
	return e
}

func notFound() *apiError {
	return &apiError{status: http.StatusNotFound, kind: "RecordNotFound", says: saysNotFound}
}

func badRequest(kind, description string) *apiError {
	return &apiError{status: http.StatusBadRequest, kind: kind, says: saysOther, args: []any{description}}
}

// wire is a JSON object.
type wire = map[string]any

// orNull is null for what is empty.
func orNull[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}
