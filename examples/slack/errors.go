package main

import (
	"cmp"
	"errors"

	"github.com/slack-go/slack"

	"github.com/hitl-go/sdk/hitl"
)

// explain tells the bot's owner what they can do about an error of Slack's. What else Slack refuses is final, and the rest passes.
func explain(err error) error {
	if limited, ok := errors.AsType[*slack.RateLimitedError](err); ok {
		return hitl.Retryable(limited.RetryAfter, err)
	}
	refused, ok := errors.AsType[slack.SlackErrorResponse](err)
	if !ok {
		return err
	}
	var advice string
	switch refused.Err {
	case "fatal_error", "internal_error", "rate_limited", "ratelimited", "request_timeout", "service_unavailable", "team_added_to_org", "update_failed":
		return err
	case "thread_not_found", "message_not_found", "cant_update_message":
		return &hitl.Error{Message: "The thread in Slack is gone.", Gone: true, Err: err}
	case "invalid_auth", "not_authed", "not_allowed_token_type", "token_expired", "token_revoked", "account_inactive":
		advice = "Slack does not take the tokens: the bot token begins with xoxb-, the app token with xapp-, and both are new after the app was installed again."
	case "channel_not_found", "not_in_channel", "is_archived", "is_inactive":
		advice = "The app is not in the channel, the channel is archived, or the channel's ID in the configuration is wrong: write /invite with the app's name in the channel."
	case "missing_scope":
		advice = "The app in Slack lacks a scope: give it the manifest of the README, and install it again."
	case "access_denied", "accesslimited", "edit_window_closed", "ekm_access_denied", "message_limit_exceeded", "no_permission", "org_login_required", "team_access_not_granted",
		"restricted_action", "restricted_action_non_threadable_channel", "restricted_action_read_only_channel", "restricted_action_thread_locked", "restricted_action_thread_only_channel":
		advice = "The administrators of Slack do not let the app do this: " + refused.Err + "."
	default:
		return hitl.Errorf("Slack refuses it: %w", err)
	}
	return &hitl.Error{Message: advice, Temporary: true, Err: err}
}

// refusal is an error as the bot's owner reads it. One that passes by itself is temporary.
func refusal(err error) *hitl.Error {
	own, _ := errors.AsType[*hitl.Error](explain(err))
	return cmp.Or(own, &hitl.Error{Temporary: true})
}
