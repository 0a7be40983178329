// Package slacktest is a Slack workspace in memory, behind a real HTTP listener: the part of the Web API that an app in one
// channel needs, Socket Mode and the Events API, and the members who work with it.
//
//	desk := slacktest.New(slacktest.Options{})
//	defer desk.Close()
//	api := slack.New(desk.BotToken, slack.OptionAPIURL(desk.URL+"/api/"), slack.OptionAppLevelToken(desk.AppToken))
//	rosa := desk.NewMember("Rosa Diaz")
//	ts, err := desk.Reply(threadTS, rosa, "How can I *help*?")
//	desk.Wait() // until every event has been delivered or given up
//
// It is as strict as Slack is. All of its times are those of package time, so that a bubble of testing/synctest has them in
// hand if [Options.Listener] and [Options.Client] are of a network in memory. The package does not import testing, so that
// demos can run on it.
//
// # Ids
//
// Workspaces are T…, apps A…, their bots B…, users U…, channels C…, files F…, events Ev…, all in capitals and digits. A
// message is known by its channel and its ts, which is "seconds.microseconds" and unique in the channel. Tokens are xoxb-…
// for the bot and xapp-… for Socket Mode.
//
// # Where it comes from
//
// What it does is documented (D, with the page below https://docs.slack.dev), recorded by public programs and in reports of
// what Slack does (R), or assumed (A), which is then the stricter guess.
//
//	calls
//	  forms and JSON, refusals with status 200                         D  apis/web-api
//	  needed and provided of missing_scope                             R
//	  429, Retry-After, ratelimited; the tiers                         D  apis/web-api/rate-limits
//	  one message a second, short bursts                               D  the same; five in a burst is A
//	  app tokens for apps.connections.open only, in the header         D  reference/methods/apps.connections.open
//	  access_denied from it while Socket Mode is off                   A
//	  of an argument that comes twice the last one counts              A
//	  channels by id and not by name                                   A  chat.postMessage takes names too
//	  an empty thread_ts: invalid_thread_ts                            A
//	chat.postMessage, chat.update
//	  text is cut off at 40,000 characters                             D  reference/methods/chat.postMessage
//	  of more than some 4,000 it makes several messages, and answers
//	  with the last one                                                R  qiita.com/udxefjzk/items/ed69eed070e190858560
//	  only that one has the metadata                                   A
//	  4,000 characters in an update: msg_too_long                      D  reference/methods/chat.update
//	  4,000 in a message to one member                                 A
//	  an update keeps metadata, {} removes it                          D  reference/methods/chat.update
//	  an update of attachments alone keeps blocks                      D  reference/methods/chat.update
//	  and the text                                                     A
//	  attachments have blocks, with buttons                            D  legacy/legacy-messaging/legacy-secondary-message-attachments
//	  of those, the container is a message_attachment                  D  reference/interaction-payloads/block_actions-payload
//	  text without blocks removes the blocks                           D  the same
//	  no "edited" if there are blocks                                  D  the same: it is not displayed
//	  limits of blocks                                                 D  reference/block-kit/blocks, block-kit/block-elements
//	  msg_blocks_too_long beyond 13,172 characters of all blocks       R  bolt-js#2509
//	  plain_text comes back with entities, which count in an update    R  bolt-python#513, hermes-agent#53693
//	  block_id and action_id are unique in a message                   D  reference/block-kit/blocks; of action_id A
//	  metadata: event_type and event_payload, nothing else             D  messaging/message-metadata
//	  metadata_too_large beyond 8,000 bytes                            A
//	  metadata is read without a scope of its own                      A
//	  names without chat:write.customize: missing_scope                A  people saw them ignored: [Options.IgnoreNames]
//	  a reply to what is gone becomes a message of its own, without
//	  thread_ts in the answer                                          R  slack-go#1571, python-slack-events-api#87
//	  so does a reply to a reply                                       A  Slack advises against it
//	conversations
//	  the root comes first, whatever oldest and latest are             R  several programs say that they tried it
//	  it comes on the first page only                                  A  people disagree
//	  of a reply only itself is told                                   R  bolt-python#783
//	  oldest and latest are exclusive, inclusive                       D  reference/methods/conversations.replies
//	  history has roots and broadcasts, newest first                   D  reference/methods/conversations.history
//	files
//	  three steps, private without a channel                           D  messaging/working-with-files
//	  the answer tells nothing of the message                          R  python-slack-sdk#1277
//	  of a file from another workspace only its id is in a message     D  apis/slack-connect: check_file_info
//	  a deleted file is a tombstone                                    R  wee-slack#641
//	  an upload of another length is refused                           A
//	  a file cannot be completed twice                                 A
//	  names and icons of shared files                                  D  reference/scopes/chat.write.customize
//	  a permalink in a message shares the file, a moment later         R  python-slack-sdk#1500, java-slack-sdk#1475
//	  it does not if the message has another name                      R  python-slack-sdk#1351, node-slack-sdk#1595
//	  url_private of remote files is any host's, their size is 0        D  reference/methods/files.remote.info
//	  downloads need the token and files:read, otherwise: a redirect
//	  to a sign-in page with status 200                                R  deno-slack-sdk#285, bolt-js#2585
//	users
//	  user_not_found, user_not_visible                                 D  reference/methods/users.info
//	messages
//	  what members type: text with entities, a rich_text block         D  reference/block-kit/blocks/rich-text-block
//	  only some emoji have names here                                  A  Slack names all
//	  messages of apps get no blocks of their own                      A  Slack adds a rich_text block to some
//	  bot_message and no user if there is a name                       R
//	  no bot_id in files of other apps                                 R  java-slack-sdk#521
//	  file_share in events, not in lists                               D  reference/events/message; of lists A
//	  a deleted root with replies becomes a tombstone, which is told
//	  as message_changed; with its last reply it goes too              R  matterbridge#600, slack-edge#10
//	  previews of links: message_changed without "edited"              R
//	events
//	  three seconds, again at once, after a minute, after five         D  apis/events-api
//	  "at once" is a second later                                      A
//	  X-Slack-Retry-Num, -Reason, X-Slack-No-Retry                     D  the same
//	  signatures                                                       D  authentication/verifying-requests-from-slack
//	  events and actions go to one URL                                 A  Slack lets one set two
//	  envelopes, hello, disconnect, ten connections                    D  apis/events-api/using-socket-mode
//	  one connection for each envelope                                 D  the same; that they take turns is A
//	  retry_reason "timeout"; what found no connection comes again     R  python-slack-events-api#93, python-slack-sdk#1280
//	  too_many_websockets                                              R  that it comes after a second is A
//	  ten seconds from refresh_requested to the end                    A
//	  answers beyond 20 KB are passed over                             R  slack-go
//	  the app hears of its own messages                                D  reference/events/message
//	  actions are sent once                                            D  interactivity/handling-user-interaction
//
// Not here: response URLs, chat.delete, private channels, direct messages, Slack Connect but for members who are strangers, and
// the limits of May 2025 for apps that are sold outside of the Marketplace.
package slacktest
