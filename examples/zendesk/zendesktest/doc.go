// Package zendesktest is a Zendesk Support account in memory, behind a real HTTP listener: the part of the API that an
// integration needs, triggers that call webhooks with a signature and mail people, OAuth with a page of consent, and the agents
// and customers who work with it.
//
//	desk := zendesktest.NewDesk()
//	defer desk.Close()
//	rosa := desk.NewAgent("Rosa Diaz")
//	err := desk.Reply(ticketID, rosa, "<p>How can I help?</p>")
//	err = desk.Wait(ctx) // until every webhook has been delivered
//
// It is as strict as Zendesk is, limits included; fields of [Desk] make it another account. All of its times are those of
// package time, so that a bubble of testing/synctest has them in hand if it calls [Desk.ServeHTTP] and not the socket.
// The package does not import testing, so that demos can run on it.
//
// # Where it comes from
//
// What it does is documented (D, with the page below https://developer.zendesk.com or of Zendesk's help), recorded from real
// accounts by public programs (R), or assumed (A), which is then the stricter guess.
//
//	users
//	  skip_verify_email counts inside "user" and "identity"            D  api-reference/ticketing/users/users, user_identities
//	  an address sent for a known user is added and replaces nothing   D  users: "email"
//	  create_or_update: by external id, else by address; 201, 200      D  users: Create Or Update User
//	  it finds by every address of a user                              A
//	  a taken address: 422 with DuplicateValue                         R
//	  who is suspended cannot be a requester                           R  the key details.requester is A
//	  nor write comments through the API                               A
//	  searches lag, lists by external_id do not                        D  api-reference/ticketing/ticket-management/search
//	  how long they lag: Desk.SearchLag; of a ticket that changes
//	  nothing is found until then                                      A
//	limits
//	  700 requests a minute on Enterprise, headers, Retry-After        D  api-reference/introduction/rate-limits
//	  updates of tickets: 100 a minute, 30 in ten minutes for each
//	  user and ticket; of users: 5 a minute for each                   D  the same
//	  the minute begins with its first request; refused requests count A
//	  updates in the agents' interface do not count                    A  Zendesk's help says that they count for the 100
//	  body: APIRateLimitExceeded                                       R  for updates of tickets and users A
//	OAuth
//	  grants, 120 seconds for a code, PKCE with S256                   D  api-reference/ticketing/oauth/grant_type_tokens
//	  expires_in between 300 and 172800, refresh tokens 7 to 90 days   D  the same: "more than", "less than"
//	  30 minutes and 30 days if nothing is asked for                   D  help: announcement of OAuth token expirations
//	  a refresh ends the former pair                                   D  the same
//	  a refresh token or a code that comes twice ends the family       A  RFC 9700 asks for it
//	  client credentials: no refresh token, a scope is needed          A
//	  401 invalid_token                                                R
//	  403 insufficient_scope                                           A
//	  identities are not among the scopes for users                    D  user_identities
//	refusals
//	  RecordInvalid, details.base, ticket_field_id and _type           R
//	  details.status of a closed ticket                                R
//	  descriptions in the account's language, here German              R  their wording is A
//	  255 characters of a name or of a picture's address               R  of a name A
//	  IdempotentRequestError, X-Idempotency-Lookup, two hours          D  api-reference/ticketing/introduction
//	  keys are compared by parameters; refusals use none up            A
//	tickets
//	  the submitter writes the first comment                           D  api-reference/ticketing/tickets/tickets
//	  merged tickets: a public comment in both, via.source.rel merge   R
//	  html_body in <div class="zd-comment" dir="auto">                 R
//	  custom metadata in the comment's metadata.custom                 D  api-reference/ticketing/tickets/ticket_audits
//	  safe_update with updated_stamp: 409 after another update         D  documentation/ticketing/managing-tickets/creating-and-updating-tickets
//	  its answer: UpdateConflict                                       A
//	  comments are sorted only in pages with a cursor                  D  api-reference/ticketing/tickets/ticket_comments
//	  65,535 bytes of HTML                                             A  Zendesk counts characters
//	files
//	  upload, 201, attachments, three days                             D  api-reference/ticketing/tickets/ticket-attachments
//	  content types are Zendesk's own                                  R  which ones is A
//	  secure downloads: sign-in page, or a temporary address           D  the same; the forms of the addresses are A
//	triggers
//	  conditions and operators, current_tags, role                     D  documentation/ticketing/reference-guides/conditions-reference
//	  ticket_is_public                                                 R
//	  role with the number of a user; "current_user" as a value        A
//	  values are compared without regard to case                       A
//	  standard triggers and whom they mail                             D  help: About the standard Support triggers
//	  the current user is who is signed in, not the author             A
//	  actions of triggers do not run the triggers again                A  Zendesk runs them again
//	webhooks
//	  signature, retries, 12 seconds, may come twice                   D  documentation/webhooks
//	  ids begin with 01, 204 for updates                               D  api-reference/webhooks/webhooks-api/webhooks
//	  breaker: 70 % errors, or 1,000, in five minutes                  D  api-reference/webhooks/introduction
//	  the share counts from 100 attempts on, five seconds of pause,
//	  what is triggered then is lost                                   A
package zendesktest
