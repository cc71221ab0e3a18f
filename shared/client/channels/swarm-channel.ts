import type { PublishResult } from '../../protocol/publish.ts';
import type { ProposalRecord } from '../../protocol/swarms.ts';
import type {
  SwarmConsensus,
  SwarmCoordination,
  SwarmMembership,
  SwarmTopology,
  SwarmVote,
} from '../../protocol/well-known.ts';
import type { AgentwireClient } from '../client.ts';
import { AgentwireError } from '../errors.ts';
import { ChannelClient, ChannelServer, hasField, idFault } from './channel.ts';
import type { ChannelOptions, Followed } from './channel.ts';
import type { Heard } from './held-back.ts';
import { decisionOf, inBothWords, propose, proposalOf, submitVote } from './proposals.ts';
import type { Consensus, NewProposal } from './proposals.ts';
import { waitFor } from './waiting.ts';

/** The broker lets everything pass there; the channel tells what names its swarm. */
type OfSwarm = SwarmCoordination;

export interface SwarmEvents {
  'topology-change': SwarmTopology;
  'membership-change': SwarmMembership;
  'agent-joined': SwarmMembership;
  'agent-left': SwarmMembership;
  coordination: SwarmCoordination;
  proposal: ProposalRecord;
  vote: SwarmVote;
  consensus: Consensus;
  decision: OfSwarm;
  'state-update': OfSwarm;
}

/** `Omit` would leave nothing that is asked for: the map may hold more than is named. */
export type SwarmMember = {
  [Field in keyof SwarmMembership as Field extends 'change' ? never : Field]: SwarmMembership[Field];
};

const family = 'swarm';
const names: ReadonlyMap<string, keyof SwarmEvents> = new Map([
  ['topology', 'topology-change'],
  ['membership', 'membership-change'],
  ['coordination', 'coordination'],
  ['proposal', 'proposal'],
  ['vote', 'vote'],
  ['consensus', 'consensus'],
  ['decision', 'decision'],
  ['state', 'state-update'],
]);

function isUnchecked(kind: string): boolean {
  return kind === 'decision' || kind === 'state';
}

/** How agents decide and work together. docs/channels.md says what each call promises. */
export class SwarmChannelClient extends ChannelClient<SwarmEvents> {
  constructor(client: AgentwireClient, options: ChannelOptions = {}) {
    super(client, family, options);
  }

  subscribeToSwarm(swarmId: string): Promise<void> {
    return this.followOne(swarmId);
  }

  unsubscribeFromSwarm(swarmId: string): Promise<void> {
    this.unfollow(swarmId);
    return Promise.resolve();
  }

  getSubscribedSwarms(): string[] {
    return this.followedIds();
  }

  changeTopology(event: SwarmTopology): Promise<PublishResult> {
    return this.publish(event.swarmId, 'topology', event);
  }

  join(swarmId: string, agentId: string, more: Record<string, unknown> = {}): Promise<PublishResult> {
    return this.publish(swarmId, 'membership', { ...more, swarmId, agentId, change: 'joined' });
  }

  leave(swarmId: string, agentId: string, more: Record<string, unknown> = {}): Promise<PublishResult> {
    return this.publish(swarmId, 'membership', { ...more, swarmId, agentId, change: 'left' });
  }

  coordinate(event: SwarmCoordination): Promise<PublishResult> {
    return this.publish(event.swarmId, 'coordination', event);
  }

  propose(swarm: string, proposal: NewProposal): Promise<ProposalRecord> {
    return propose(this.client, swarm, proposal);
  }

  /** The last vote of a voter before the decision counts. */
  submitVote(swarm: string, proposal: string, vote: string, voter: string): Promise<ProposalRecord> {
    return submitVote(this.client, swarm, proposal, vote, voter);
  }

  proposal(swarm: string, proposal: string): Promise<ProposalRecord> {
    return proposalOf(this.client, swarm, proposal);
  }

  /** The ancestor's way to choose among options without a proposal: heard as `decision`, counted by nobody. */
  submitDecision(
    swarmId: string,
    decisionId: string,
    agentId: string,
    option: string,
    confidence?: number,
  ): Promise<PublishResult> {
    const vote = { agentId, option, ...(confidence === undefined ? {} : { confidence }) };
    return this.publish(swarmId, 'decision', { swarmId, decisionId, votes: [vote] });
  }

  /**
   * What is or was decided. A proposal that nobody has made yet is waited for as well; without a time, for as long as the
   * client is open.
   */
  waitForConsensus(swarm: string, proposal: string, timeoutMs?: number): Promise<Consensus> {
    const fault = idFault(swarm) ?? idFault(proposal);
    if (fault) return Promise.reject(fault);
    return waitFor<Consensus>({
      client: this.client,
      clock: this.clock,
      topics: [`${family}.${swarm}.consensus`],
      hear: ({ data }) => {
        const consensus = data as SwarmConsensus;
        return consensus.proposalId === proposal ? inBothWords(consensus) : undefined;
      },
      look: async () => {
        try {
          return decisionOf(await this.proposal(swarm, proposal));
        } catch (error) {
          if (error instanceof AgentwireError && error.code === 'not_found') return undefined;
          throw error;
        }
      },
      timeoutMs,
      tooLate: `proposal ${proposal} was not decided within ${timeoutMs} ms`,
    });
  }

  protected topicsOf(id: string): Followed[] {
    return [...names.keys()].map((kind): Followed => [`${family}.${id}.${kind}`]);
  }

  protected heard({ kind, id, data }: Heard): void {
    const name = names.get(kind);
    if (!name || (isUnchecked(kind) && !hasField(data, 'swarmId', id))) return;
    this.tell(name, id, kind === 'consensus' ? inBothWords(data as SwarmConsensus) : data);
    if (kind !== 'membership') return;
    const { change } = data as SwarmMembership;
    this.tell(change === 'joined' ? 'agent-joined' : 'agent-left', id, data);
  }
}

/** For a publisher that reports for a swarm. What is proposed and decided goes through the broker all the same. */
export class SwarmChannelServer extends ChannelServer {
  constructor(client: AgentwireClient) {
    super(client, family);
  }

  publishTopologyChange(event: SwarmTopology): Promise<PublishResult> {
    return this.publish(event.swarmId, 'topology', event);
  }

  publishMembershipChange(event: SwarmMembership): Promise<PublishResult> {
    return this.publish(event.swarmId, 'membership', event);
  }

  publishAgentJoined(event: SwarmMember): Promise<PublishResult> {
    return this.publishMembershipChange({ ...event, change: 'joined' });
  }

  publishAgentLeft(event: SwarmMember): Promise<PublishResult> {
    return this.publishMembershipChange({ ...event, change: 'left' });
  }

  publishCoordination(event: SwarmCoordination): Promise<PublishResult> {
    return this.publish(event.swarmId, 'coordination', event);
  }

  publishCollectiveDecision(event: OfSwarm): Promise<PublishResult> {
    return this.publish(event.swarmId, 'decision', event);
  }

  publishState(event: OfSwarm): Promise<PublishResult> {
    return this.publish(event.swarmId, 'state', event);
  }

  publishSwarmInitialized(swarmId: string, topology: string, metadata: object = {}): Promise<PublishResult> {
    return this.publishState({ swarmId, state: { topology, ...metadata } });
  }

  publishProposal(swarm: string, proposal: NewProposal): Promise<ProposalRecord> {
    return propose(this.client, swarm, proposal);
  }

  /** The ancestor's form of a proposal, which does not say when it is decided: after ten seconds, by the votes there are. */
  publishConsensusProposal(swarmId: string, proposalId: string, proposal: unknown): Promise<ProposalRecord> {
    return this.publishProposal(swarmId, { ...undated, proposal: proposalId, title: proposalId, data: proposal });
  }

  /** The ancestor's form of a proposal (`proposed`) and of votes (`voting`). What is accepted only the broker says. */
  async publishConsensus(event: ConsensusPart): Promise<void> {
    const { swarmId, proposalId, type, proposal, votes = [] } = event;
    if (type === 'proposed') await this.publishConsensusProposal(swarmId, proposalId, proposal);
    else if (type === 'voting')
      for (const { agentId, vote } of votes) await this.#vote(swarmId, proposalId, vote, agentId);
    else throw new AgentwireError('forbidden', 'the broker counts the votes, and says what was decided');
  }

  /** The ancestor's way to announce what was decided, which only the broker says. */
  publishConsensusResult(
    swarmId: string,
    proposalId: string,
    accepted: boolean,
    votes: ConsensusPart['votes'] = [],
  ): Promise<void> {
    return this.publishConsensus({ swarmId, proposalId, type: accepted ? 'accepted' : 'rejected', votes });
  }

  #vote(swarm: string, proposal: string, vote: string, voter: string): Promise<ProposalRecord> {
    return submitVote(this.client, swarm, proposal, vote, voter);
  }
}

/** The ancestor's event, which stood for all that happens to a proposal. */
export interface ConsensusPart {
  readonly swarmId: string;
  readonly proposalId: string;
  readonly type: 'proposed' | 'voting' | 'accepted' | 'rejected';
  readonly proposal?: unknown;
  readonly votes?: readonly { readonly agentId: string; readonly vote: string }[];
}

const undated = { deadlineMs: 10_000 };
