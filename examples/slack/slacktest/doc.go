// Package slacktest is a Slack workspace in memory.
package slacktest
