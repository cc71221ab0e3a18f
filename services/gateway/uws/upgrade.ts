import type { UpgradeDecision, WebSocketRoute } from '../core/transport.ts';
import type { NativeRequest, NativeResponse, UpgradeContext } from './adapter.ts';
import { errorReply, writeHead } from './http.ts';
import { CopiedRequest, paramNamesOf } from './request.ts';
import type { LinkContext, UserData } from './web-socket.ts';
import { WebSocketLink } from './web-socket.ts';

/** The handshake: asks the route, and opens the link or refuses. The client may be gone when a slow decision comes. */
export function upgradeOf(route: WebSocketRoute, context: LinkContext) {
  const paramNames = paramNamesOf(route.path);
  const answer = (
    response: NativeResponse,
    decision: UpgradeDecision,
    request: CopiedRequest,
    native: UpgradeContext,
  ): void => {
    if (decision.accept) {
      response.upgrade<UserData>(
        { link: new WebSocketLink(context, request.remoteAddress, decision) },
        request.header('sec-websocket-key'),
        decision.protocol ?? '',
        request.header('sec-websocket-extensions'),
        native,
      );
    } else {
      writeHead(response, decision.reply);
      response.end(decision.reply.body);
    }
  };
  return (response: NativeResponse, request: NativeRequest, native: UpgradeContext): void => {
    const copied = new CopiedRequest(request, response, paramNames);
    let gone = false;
    const settle = (decision: UpgradeDecision): void => {
      if (gone) return;
      gone = true;
      try {
        response.cork(() => answer(response, decision, copied, native));
      } catch (error) {
        context.onFault(error);
        response.close();
      }
    };
    const refuse = (error: unknown): void => {
      context.onFault(error);
      settle({ accept: false, reply: errorReply(500, 'internal') });
    };
    response.onAborted(() => {
      gone = true;
    });
    try {
      const decision = route.upgrade(copied);
      if (decision instanceof Promise) decision.then(settle, refuse);
      else settle(decision);
    } catch (error) {
      refuse(error);
    }
  };
}
