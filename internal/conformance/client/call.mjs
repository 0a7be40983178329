// Performs calls with Botpress' own client. Reads a JSON array of
// {url, timeout, operation, input} from standard input; prints how each ended.
import { createRequire } from 'node:module'
import { text } from 'node:stream/consumers'

const { Client, axiosRetry } = createRequire(import.meta.url)('@botpress/client')

// The policy with which Botpress' integrations run, but without its waiting.
const retry = {
  retries: 3,
  retryDelay: () => 1,
  retryCondition: (failure) =>
    axiosRetry.isNetworkOrIdempotentRequestError(failure) || [429, 502].includes(failure.response?.status),
}

const call = async ({ url, timeout, operation, input }) => {
  const client = new Client({
    apiUrl: url,
    token: 'bp_test_token',
    botId: 'bot_0123456789012345678901234567',
    integrationId: 'intver_0123456789012345678901234',
    integrationAlias: 'acme',
    workspaceId: 'wkspace_012345678901234567890123',
    timeout,
    retry,
  })
  try {
    await client[operation](input)
    return 'ok'
  } catch (thrown) {
    return String(thrown)
  }
}

const outcomes = []
for (const one of JSON.parse(await text(process.stdin))) {
  outcomes.push(await call(one))
}
console.log(JSON.stringify(outcomes))
