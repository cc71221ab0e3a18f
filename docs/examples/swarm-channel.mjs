// Three agents of a swarm decide something together.
import { AgentwireClient, SwarmChannelClient } from 'agentwire/client';

const url = process.env.AGENTWIRE_URL ?? 'ws://localhost:8080';
const client = new AgentwireClient({ url });
await client.connect();
const swarm = new SwarmChannelClient(client);

swarm.on('vote:crew', ({ voter, vote }) => console.log(`${voter} says ${vote}`));
await swarm.subscribeToSwarm('crew');

const { proposal } = await swarm.propose('crew', {
  title: 'Work as a hierarchy?',
  voters: ['ann', 'ben', 'cleo'],
  deadlineMs: 60_000,
});
await swarm.submitVote('crew', proposal, 'no', 'ann');
await swarm.submitVote('crew', proposal, 'yes', 'ben');
await swarm.submitVote('crew', proposal, 'yes', 'cleo');

const { accepted, tally } = await swarm.waitForConsensus('crew', proposal, 30_000);
console.log('accepted:', accepted, tally);

const changed = new Promise((resolve) => swarm.once('topology-change:crew', resolve));
await swarm.changeTopology({ swarmId: 'crew', oldTopology: 'mesh', newTopology: 'hierarchical' });
console.log('now a', (await changed).newTopology);
await client.close();
