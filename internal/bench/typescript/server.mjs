// The integration on the official SDK, as an author would write it: the same desk and the same calls of the API as in ../bare.
//
//	PORT=8072 BP_API_URL=… BP_TOKEN=… node server.mjs
//
// The SDK checks no signatures and writes no log while all goes well, and so neither does this.
import bp from '@botpress/sdk'

// The desk needs no memory: it hands out ids.
let last = 0
const newId = (kind) => `${kind}-${++last}`

const integration = new bp.Integration({
  register: async () => {},
  unregister: async () => {},
  actions: {
    createUser: async ({ client, input }) => {
      const { user } = await client.getOrCreateUser({
        name: input.name,
        pictureUrl: input.pictureUrl,
        tags: { userKey: input.email.toLowerCase(), email: input.email },
        discriminateByTags: ['userKey'],
      })
      await client.updateUser({ id: user.id, name: input.name, tags: { id: newId('user') } })
      return { userId: user.id }
    },
    startHitl: async ({ client, input }) => {
      const { user } = await client.getUser({ id: input.userId })
      if (!user.tags.id) throw new bp.RuntimeError('The user is not linked to the help desk')
      const ticket = newId('ticket')
      const { conversation } = await client.getOrCreateConversation({ channel: 'hitl', tags: { id: ticket }, discriminateByTags: ['id'] })
      await client.updateConversation({ id: conversation.id, tags: { startedAt: new Date().toISOString(), phase: 'open' } })
      return { conversationId: conversation.id }
    },
    stopHitl: async ({ client, input }) => {
      const { conversation } = await client.getConversation({ id: input.conversationId })
      if (!conversation.tags.id) throw new bp.RuntimeError('The conversation is not linked to the help desk')
      await client.updateConversation({ id: conversation.id, tags: { closedAt: new Date().toISOString(), phase: 'closed' } })
      return {}
    },
  },
  channels: {
    hitl: {
      messages: {
        text: async ({ client, conversation, message, ack }) => {
          const { messages } = await client.listMessages({ conversationId: conversation.id })
          const known = messages.find((m) => m.id === message.id)
          if (known?.tags.id) return
          await ack({ tags: { id: newId('comment'), delivered: '1/1' } })
        },
      },
    },
  },
  handler: async ({ client, req }) => {
    const report = JSON.parse(req.body)
    await client.initializeIncomingMessage({
      conversationId: report.conversationId,
      user: { name: report.agent.name, tags: { agentId: report.agent.id, id: report.agent.id }, discriminateByTags: ['agentId'] },
      message: { type: 'text', payload: { text: report.text }, tags: { id: report.commentId }, discriminateByTags: ['id'] },
    })
  },
})

await integration.start(Number(process.env.PORT))
