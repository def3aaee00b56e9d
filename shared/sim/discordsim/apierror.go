package discordsim

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// apiError is Discord's error body (docs: reference, "Error Messages"; the codes are in
// topics/opcodes-and-status-codes, "JSON Error Codes").
type apiError struct {
	Status     int             `json:"-"`
	Message    string          `json:"message"`
	Code       int             `json:"code"`
	Errors     json.RawMessage `json:"errors,omitempty"`
	RetryAfter *float64        `json:"retry_after,omitempty"`
	Global     *bool           `json:"global,omitempty"`
	Scope      string          `json:"-"`
}

func refuse(status, code int, message string) *apiError {
	return &apiError{Status: status, Code: code, Message: message}
}

var (
	errUnauthorized       = refuse(http.StatusUnauthorized, 0, "401: Unauthorized")
	errNotFound           = refuse(http.StatusNotFound, 0, "404: Not Found")
	errUnknownApplication = refuse(http.StatusNotFound, 10002, "Unknown Application")
	errUnknownChannel     = refuse(http.StatusNotFound, 10003, "Unknown Channel")
	errUnknownGuild       = refuse(http.StatusNotFound, 10004, "Unknown Guild")
	errUnknownMember      = refuse(http.StatusNotFound, 10007, "Unknown Member")
	errUnknownMessage     = refuse(http.StatusNotFound, 10008, "Unknown Message")
	errUnknownUser        = refuse(http.StatusNotFound, 10013, "Unknown User")
	errUnknownWebhook     = refuse(http.StatusNotFound, 10015, "Unknown Webhook")
	errUnknownInteraction = refuse(http.StatusNotFound, 10062, "Unknown interaction")
	errUnknownCommand     = refuse(http.StatusNotFound, 10063, "Unknown application command")
	errAlreadyAcked       = refuse(http.StatusBadRequest, 40060, "Interaction has already been acknowledged.")
	errMissingAccess      = refuse(http.StatusForbidden, 50001, "Missing Access")
	errNotAuthor          = refuse(http.StatusForbidden, 50005, "Cannot edit a message authored by another user")
	errEmptyMessage       = refuse(http.StatusBadRequest, 50006, "Cannot send an empty message")
	errNonText            = refuse(http.StatusBadRequest, 50008, "Cannot send messages in a non-text channel")
	errMissingPermissions = refuse(http.StatusForbidden, 50013, "Missing Permissions")
	errChannelType        = refuse(http.StatusBadRequest, 50024, "Cannot execute action on this channel type")
	errWebhookToken       = refuse(http.StatusUnauthorized, 50027, "Invalid Webhook Token")
	errAPIVersion         = refuse(http.StatusBadRequest, 50041, "Invalid API version provided")
	errArchived           = refuse(http.StatusBadRequest, 50083, "Thread is archived")
	errInvalidJSON        = refuse(http.StatusBadRequest, 50109, "The request body contains invalid JSON.")
	errNoHistory          = refuse(http.StatusForbidden, 160002, "Cannot reply without permission to read message history")
	errThreadExists       = refuse(http.StatusBadRequest, 160004, "A thread has already been created for this message")
	errThreadLocked       = refuse(http.StatusBadRequest, 160005, "Thread is locked")
	errTooManyThreads     = refuse(http.StatusBadRequest, 160006, "Maximum number of active threads reached")
)

// invalid is code 50035 with the error at a field, as in {"content":{"_errors":[...]}}.
func invalid(field, code, message string) *apiError {
	e := refuse(http.StatusBadRequest, 50035, "Invalid Form Body")
	e.Errors = mustJSON(map[string]any{field: map[string]any{"_errors": []any{map[string]string{"code": code, "message": message}}}})
	return e
}

func tooLong(field string, limit int) *apiError {
	return invalid(field, "BASE_TYPE_MAX_LENGTH", fmt.Sprintf("Must be %d or fewer in length.", limit))
}

func notSnowflake(field, value string) *apiError {
	return invalid(field, "NUMBER_TYPE_COERCE", fmt.Sprintf("Value %q is not snowflake.", value))
}
